/**
 * simulate-format - the report of a simulation as lines that people read
 *
 * See also: simulator/report, commands/queue/simulate.
 */
import { sayDuration } from '../../simulator/format-duration.ts'
import type { SimulationReport } from '../../simulator/report.ts'
import type { PolicySpread, Spread } from '../../simulator/seed-spread.ts'
import { columns } from '../output.ts'

/** One run, or several side by side. */
export function reportLines(reports: readonly SimulationReport[]): string[] {
  const [first] = reports
  if (first === undefined) return []
  return [
    `${first.title} (${first.scenario}, seed ${first.seed})`,
    first.about,
    '',
    ...totalLines(reports),
    ...reports.flatMap((report) => ['', `policy ${report.policy}`, ...providerLines(report), ...pauseLines(report)]),
  ]
}

const count = (n: number): string => n.toLocaleString('en-US')

/** One row a figure, one column a policy: the median, and from the least to the most. */
export function spreadLines(scenario: { readonly name: string; readonly title: string }, spreads: readonly PolicySpread[]): string[] {
  const seeds = spreads[0]?.seeds ?? []
  const of = (pick: (each: PolicySpread) => Spread, write: (n: number) => string) => (each: PolicySpread) => {
    const { median, least, most } = pick(each)
    return least === most ? write(median) : `${write(median)} (${write(least)} to ${write(most)})`
  }
  const row = (name: string, pick: (each: PolicySpread) => string): string[] => [name, ...spreads.map(pick)]
  return [
    `${scenario.title} (${scenario.name}, ${seeds.length} seeds from ${seeds[0] ?? 0}): median (least to most)`,
    '',
    ...columns([
      row('policy', (each) => each.policy),
      row(
        'delivered',
        of((each) => each.delivered, count),
      ),
      row(
        'attempts',
        of((each) => each.attempts, count),
      ),
      row(
        'wasted attempts',
        of((each) => each.wasted, count),
      ),
      row(
        'time to drain',
        of((each) => each.drainSeconds, sayDuration),
      ),
      row(
        'mean delay',
        of((each) => each.meanDelaySeconds, sayDuration),
      ),
      row(
        'pauses',
        of((each) => each.pauses, count),
      ),
    ]),
  ]
}

/** One row a figure, one column a policy. */
function totalLines(reports: readonly SimulationReport[]): string[] {
  const row = (name: string, pick: (each: SimulationReport) => string): string[] => [name, ...reports.map(pick)]
  return columns([
    row('policy', (each) => each.policy),
    row('mails', (each) => count(each.mails)),
    row('delivered', (each) => count(each.delivered)),
    row('invalid', (each) => count(each.invalid)),
    row('soft bounces', (each) => count(each.soft)),
    row('still waiting', (each) => count(each.waiting)),
    row('attempts', (each) => count(each.attempts)),
    row('wasted attempts', (each) => count(each.wasted)),
    row('time to drain', (each) => sayDuration(each.drainSeconds)),
    row('mean delay', (each) => (each.meanDelaySeconds === null ? '-' : sayDuration(each.meanDelaySeconds))),
    row('reports after a 250', (each) => count(each.reports)),
    row('complaints heard', (each) => count(each.complaints)),
  ])
}

const causes = (by: Readonly<Record<string, number>>): string =>
  Object.entries(by)
    .map(([name, n]) => `${name} ${count(n)}`)
    .join(', ')

function providerLines(report: SimulationReport): string[] {
  return columns([
    ['  provider', 'delivered', 'invalid', 'soft', 'wasted', 'to drain', 'soft by cause'],
    ...report.providers.map((each) => [
      `  ${each.name}`,
      count(each.delivered),
      count(each.invalid),
      count(each.soft),
      count(each.wasted),
      sayDuration(each.drainSeconds),
      causes(each.softBy),
    ]),
  ])
}

function pauseLines(report: SimulationReport): string[] {
  if (report.pauses.length === 0) return ['  no pause']
  return columns([
    ['  key', 'paused', 'throttled', 'probes', 'closed for', 'class'],
    ...report.pauses.map((each) => [
      `  ${each.key}`,
      count(each.paused),
      count(each.throttled),
      count(each.probes),
      sayDuration(each.pausedSeconds),
      Object.keys(each.classes).join(', '),
    ]),
  ])
}

/**
 * simulate-format - formats the report of a simulation for people
 *
 * See also: simulator/report, commands/queue/simulate.
 */
import { formatDuration } from '../../simulator/format-duration.ts'
import type { SimulationReport } from '../../simulator/report.ts'
import type { PolicySpread, Spread } from '../../simulator/seed-spread.ts'
import { formatColumns } from '../output.ts'

/** Formats one run, or several side by side. */
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

const formatCount = (n: number): string => n.toLocaleString('en-US')

/** One row a figure, one column a policy: the median with the least and the most of all seeds. */
export function spreadLines(scenario: { readonly name: string; readonly title: string }, spreads: readonly PolicySpread[]): string[] {
  const seeds = spreads[0]?.seeds ?? []
  const of = (pick: (each: PolicySpread) => Spread, format: (n: number) => string) => (each: PolicySpread) => {
    const { median, least, most } = pick(each)
    return least === most ? format(median) : `${format(median)} (${format(least)} to ${format(most)})`
  }
  const row = (name: string, pick: (each: PolicySpread) => string): string[] => [name, ...spreads.map(pick)]
  return [
    `${scenario.title} (${scenario.name}, ${seeds.length} seeds from ${seeds[0] ?? 0}): median (least to most)`,
    '',
    ...formatColumns([
      row('policy', (each) => each.policy),
      row(
        'delivered',
        of((each) => each.delivered, formatCount),
      ),
      row(
        'attempts',
        of((each) => each.attempts, formatCount),
      ),
      row(
        'wasted attempts',
        of((each) => each.wasted, formatCount),
      ),
      row(
        'time to drain',
        of((each) => each.drainSeconds, formatDuration),
      ),
      row(
        'mean delay',
        of((each) => each.meanDelaySeconds, formatDuration),
      ),
      row(
        'pauses',
        of((each) => each.pauses, formatCount),
      ),
    ]),
  ]
}

/** One row for each scenario and policy. */
export function tableLines(rows: readonly (PolicySpread & { readonly scenario: string })[]): string[] {
  const cell = ({ median, least, most }: Spread, format: (n: number) => string): string =>
    least === most ? format(median) : `${format(median)} (${format(least)} to ${format(most)})`
  return formatColumns([
    ['scenario', 'policy', 'seeds', 'delivered', 'wasted attempts', 'time to drain', 'mean delay', 'pauses'],
    ...rows.map((row) => [
      row.scenario,
      row.policy,
      String(row.seeds.length),
      cell(row.delivered, formatCount),
      cell(row.wasted, formatCount),
      cell(row.drainSeconds, formatDuration),
      cell(row.meanDelaySeconds, formatDuration),
      cell(row.pauses, formatCount),
    ]),
  ])
}

/** One row a figure, one column a policy. */
function totalLines(reports: readonly SimulationReport[]): string[] {
  const row = (name: string, pick: (each: SimulationReport) => string): string[] => [name, ...reports.map(pick)]
  return formatColumns([
    row('policy', (each) => each.policy),
    row('mails', (each) => formatCount(each.mails)),
    row('delivered', (each) => formatCount(each.delivered)),
    row('invalid', (each) => formatCount(each.invalid)),
    row('soft bounces', (each) => formatCount(each.soft)),
    row('still waiting', (each) => formatCount(each.waiting)),
    row('attempts', (each) => formatCount(each.attempts)),
    row('wasted attempts', (each) => formatCount(each.wasted)),
    row('time to drain', (each) => formatDuration(each.drainSeconds)),
    row('mean delay', (each) => (each.meanDelaySeconds === null ? '-' : formatDuration(each.meanDelaySeconds))),
    row('reports after a 250', (each) => formatCount(each.reports)),
    row('complaints received', (each) => formatCount(each.complaints)),
  ])
}

const formatCauses = (by: Readonly<Record<string, number>>): string =>
  Object.entries(by)
    .map(([name, n]) => `${name} ${formatCount(n)}`)
    .join(', ')

function providerLines(report: SimulationReport): string[] {
  return formatColumns([
    ['  provider', 'delivered', 'invalid', 'soft', 'connections', 'wasted', 'to drain', 'wasted by', 'soft by cause'],
    ...report.providers.map((each) => [
      `  ${each.name}`,
      formatCount(each.delivered),
      formatCount(each.invalid),
      formatCount(each.soft),
      formatCount(each.connections),
      formatCount(each.wasted),
      formatDuration(each.drainSeconds),
      each.wasted === 0 ? '-' : formatCauses(each.wastedBy),
      formatCauses(each.softBy),
    ]),
  ])
}

function pauseLines(report: SimulationReport): string[] {
  if (report.pauses.length === 0) return ['  no pause']
  return formatColumns([
    ['  key', 'paused', 'throttled', 'probes', 'closed for', 'class'],
    ...report.pauses.map((each) => [
      `  ${each.key}`,
      formatCount(each.paused),
      formatCount(each.throttled),
      formatCount(each.probes),
      formatDuration(each.pausedSeconds),
      Object.keys(each.classes).join(', '),
    ]),
  ])
}

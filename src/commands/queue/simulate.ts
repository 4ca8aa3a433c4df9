/**
 * simulate - runs a campaign on a virtual clock, to see what it meets and what a backoff policy costs compared with others
 *
 *     bounced simulate scenarios/cold-ip.toml
 *     bounced simulate scenarios/cold-ip.toml --compare default fixed --html out.html
 *     bounced simulate scenarios/cold-ip.toml --compare default never fixed --seeds 5
 *     bounced simulate scenarios/*.toml --compare default fixed --seeds 5               a table: a row for each scenario and policy
 *     bounced simulate mine.toml --providers my-providers                               providers of your own beside the shipped ones
 *     bounced simulate scenarios/connection-limits.toml --no-shaping                    what the shaping of sites avoids
 *
 * Needs no store and no network. The same scenario, policy and seed print the same output. A policy is `default`, `spec`, `never`, `fixed`, or a file.
 *
 * See also: simulator/scenario, queue/backoff/policy-file (the format of policy files), simulator/simulate, docs/SIMULATION.md.
 */
import { writeFileSync } from 'node:fs'
import { readProviders, readToml } from '../../config/provider-files.ts'
import { loadRules } from '../../config/rule-files.ts'
import { loadShaping } from '../../config/shaping-files.ts'
import { Fault } from '../../errors.ts'
import { BACKOFF_POLICIES, type BackoffPolicy } from '../../queue/backoff/policy.ts'
import { readPolicyFile } from '../../queue/backoff/policy-file.ts'
import { createReport, type SimulationReport } from '../../simulator/report.ts'
import { renderReport } from '../../simulator/report-html.ts'
import { spreadsOf } from '../../simulator/seed-spread.ts'
import { readScenario, type Scenario } from '../../simulator/scenario.ts'
import { runSimulation as runOnVirtualClock } from '../../simulator/simulate.ts'
import type { DefineCommand } from '../command.ts'
import { createProgressBar } from '../progress.ts'
import { reportLines, spreadLines, tableLines } from './simulate-format.ts'
import { printLines } from '../output.ts'

type Options = {
  readonly policy: string
  readonly compare?: readonly string[]
  readonly seed?: string
  readonly seeds?: string
  readonly json?: true
  readonly html?: string
  readonly providers?: string
  readonly shaping?: string | false
}

export const simulateCommand: DefineCommand = (command) => {
  command
    .argument('<scenario...>', 'TOML files with a scenario; several print a table')
    .option('--policy <policy>', 'backoff policy: default, spec, never, fixed, or a TOML file', 'default')
    .option('--compare <policies...>', 'two to four policies side by side on the same seeds')
    .option('--seed <number>', 'the seed, instead of that of the scenario')
    .option('--seeds <number>', 'number of seeds, from that of the scenario on: prints the median and the range of each figure')
    .option('--providers <folder>', 'TOML files of more providers; one of the same name replaces the shipped one')
    .option('--shaping <file>', 'TOML file with limits of receiving sites, in front of the shipped ones, as in delivery.shapingFile')
    .option('--no-shaping', 'send without the limits of receiving sites')
    .option('--json', 'print the report as JSON')
    .option('--html <file>', 'write a page with plots')
    .action(runSimulation)
}

async function runSimulation(paths: readonly string[], options: Options): Promise<void> {
  const files = loadProviders(options)
  const scenarios = paths.map((path) => withSeed(readScenario(path, readToml(path), [...files.keys()]), options.seed))
  const seeds = parseSeeds(options, scenarios.length)
  const policies = loadPolicies(options)
  const runs = scenarios.flatMap((scenario) =>
    policies.flatMap((policy) =>
      Array.from({ length: seeds ?? 1 }, (_, n) => ({ policy, scenario: { ...scenario, seed: scenario.seed + n } })),
    ),
  )
  const rules = loadRules()
  const shaping = options.shaping === false ? null : loadShaping(typeof options.shaping === 'string' ? options.shaping : null)
  const progress = await createProgressBar('mails')
  const reports = runs.map((one, n): SimulationReport => {
    const onProgress = (done: number, total: number): void => progress.update(n * total + done, runs.length * total)
    return createReport(one.scenario, one.policy.name, runOnVirtualClock({ ...one, files, rules, shaping, onProgress }))
  })
  progress.stop()
  if (options.html !== undefined) writePage(options.html, reports)
  printResults(scenarios, reports, { isJson: options.json === true, hasSeeds: seeds !== null })
}

function printResults(
  scenarios: readonly Scenario[],
  reports: readonly SimulationReport[],
  { isJson, hasSeeds }: { readonly isJson: boolean; readonly hasSeeds: boolean },
): void {
  const [first, ...others] = scenarios
  if (first === undefined) return
  if (others.length === 0 && !hasSeeds) return printReports(reports, { isJson, linesOf: reportLines })
  if (others.length === 0) return printReports(spreadsOf(reports), { isJson, linesOf: (spreads) => spreadLines(first, spreads) })
  const rows = scenarios.flatMap(({ name }) =>
    spreadsOf(reports.filter(({ scenario }) => scenario === name)).map((spread) => ({ scenario: name, ...spread })),
  )
  printReports(rows, { isJson, linesOf: tableLines })
}

/** The shipped providers, and those of a folder in front of them. */
function loadProviders({ providers: folder }: Options): ReturnType<typeof readProviders> {
  return folder === undefined ? readProviders() : new Map([...readProviders(), ...readProviders(folder)])
}

function printReports<T>(
  all: readonly T[],
  { isJson, linesOf }: { readonly isJson: boolean; readonly linesOf: (all: readonly T[]) => readonly string[] },
): void {
  if (isJson) process.stdout.write(`${JSON.stringify(all.length === 1 ? all[0] : all, null, 2)}\n`)
  else printLines(...linesOf(all))
}

/** The figures do not change with more seeds, and the run would take too long. */
const MAX_SEEDS = 100

function parseSeeds({ seeds, html }: Options, scenarios: number): number | null {
  if (scenarios > 1 && html !== undefined) throw new Fault('bad_request', '--html shows one scenario; name one file')
  if (seeds === undefined) return null
  const count = Number(seeds)
  if (!/^\d{1,3}$/.test(seeds) || count < 2 || count > MAX_SEEDS)
    throw new Fault('bad_request', `--seeds takes a whole number from 2 to ${MAX_SEEDS}, not "${seeds}"`)
  if (html !== undefined) throw new Fault('bad_request', '--html shows one seed; omit --seeds')
  return count
}

function loadPolicies({ policy, compare }: Options): readonly BackoffPolicy[] {
  if (compare !== undefined && (compare.length < 2 || compare.length > 4))
    throw new Fault('bad_request', `--compare takes two to four policies, not ${compare.length}`)
  const policies = (compare ?? [policy]).map(loadPolicy)
  const names = policies.map(({ name }) => name)
  if (new Set(names).size < names.length)
    throw new Fault('bad_request', `--compare takes policies of different names, not ${names.join(' ')}`)
  return policies
}

const isBuiltInPolicy = (name: string): name is keyof typeof BACKOFF_POLICIES => Object.hasOwn(BACKOFF_POLICIES, name)

const loadPolicy = (name: string): BackoffPolicy => (isBuiltInPolicy(name) ? BACKOFF_POLICIES[name] : readPolicyFile(name, readToml(name)))

function withSeed<T extends { readonly seed: number }>(scenario: T, seed: string | undefined): T {
  if (seed === undefined) return scenario
  if (!/^\d{1,9}$/.test(seed)) throw new Fault('bad_request', `--seed takes a whole number of at most nine digits, not "${seed}"`)
  return { ...scenario, seed: Number(seed) }
}

function writePage(file: string, reports: readonly SimulationReport[]): void {
  try {
    writeFileSync(file, renderReport(reports))
  } catch (cause) {
    throw new Fault('bad_request', `${file}: ${cause instanceof Error ? cause.message : 'cannot be written'}`, { cause })
  }
}

/**
 * simulate - a campaign on a virtual clock: what it would meet, and what one pause policy costs beside another
 *
 *     bounced simulate scenarios/cold-ip.toml
 *     bounced simulate scenarios/cold-ip.toml --compare default fixed --html out.html
 *     bounced simulate scenarios/cold-ip.toml --compare default never fixed --seeds 5
 *
 * Needs no store and no network; the same scenario, policy and seed print the same. A policy is `default`, `spec`, `never`, `fixed`, or a file.
 *
 * See also: simulator/scenario, queue/backoff/policy-file (what the files may say), simulator/simulate, docs/SIMULATION.md.
 */
import { writeFileSync } from 'node:fs'
import { readProviders, readToml } from '../../config/provider-files.ts'
import { loadRules } from '../../config/rule-files.ts'
import { Fault } from '../../errors.ts'
import { POLICIES, type Policy } from '../../queue/backoff/policy.ts'
import { readPolicy } from '../../queue/backoff/policy-file.ts'
import { reportOf, type SimulationReport } from '../../simulator/report.ts'
import { pageOf } from '../../simulator/report-html.ts'
import { spreadsOf } from '../../simulator/seed-spread.ts'
import { readScenario } from '../../simulator/scenario.ts'
import { simulate as play } from '../../simulator/simulate.ts'
import type { Define } from '../command.ts'
import { createProgress } from '../progress.ts'
import { reportLines, spreadLines } from './simulate-format.ts'
import { say } from '../output.ts'

type Options = {
  readonly policy: string
  readonly compare?: readonly string[]
  readonly seed?: string
  readonly seeds?: string
  readonly json?: true
  readonly html?: string
}

export const simulate: Define = (command) => {
  command
    .argument('<scenario>', 'TOML file with a scenario')
    .option('--policy <policy>', 'pause policy: default, spec, never, fixed, or a TOML file', 'default')
    .option('--compare <policies...>', 'two to four policies side by side on the same seeds')
    .option('--seed <number>', 'another seed than that of the scenario')
    .option('--seeds <number>', 'so many seeds, from that of the scenario on: prints the median and the range of each figure')
    .option('--json', 'print the report as JSON')
    .option('--html <file>', 'write a page with plots')
    .action(run)
}

async function run(path: string, options: Options): Promise<void> {
  const files = readProviders()
  const scenario = withSeed(readScenario(path, readToml(path), [...files.keys()]), options.seed)
  const seeds = seedsOf(options)
  const runs = policiesOf(options).flatMap((policy) =>
    Array.from({ length: seeds ?? 1 }, (_, n) => ({ policy, scenario: { ...scenario, seed: scenario.seed + n } })),
  )
  const rules = loadRules()
  const progress = await createProgress('mails')
  const reports = runs.map((one, n): SimulationReport => {
    const onProgress = (done: number, total: number): void => progress.at(n * total + done, runs.length * total)
    return reportOf(one.scenario, one.policy.name, play({ ...one, files, rules, onProgress }))
  })
  progress.stop()
  if (options.html !== undefined) writePage(options.html, reports)
  if (seeds === null) show(reports, { isJson: options.json === true, linesOf: reportLines })
  else show(spreadsOf(reports), { isJson: options.json === true, linesOf: (spreads) => spreadLines(scenario, spreads) })
}

function show<T>(
  all: readonly T[],
  { isJson, linesOf }: { readonly isJson: boolean; readonly linesOf: (all: readonly T[]) => readonly string[] },
): void {
  if (isJson) process.stdout.write(`${JSON.stringify(all.length === 1 ? all[0] : all, null, 2)}\n`)
  else say(...linesOf(all))
}

/** More would take longer than anybody waits, and tell nothing new. */
const MOST_SEEDS = 100

function seedsOf({ seeds, html }: Options): number | null {
  if (seeds === undefined) return null
  const count = Number(seeds)
  if (!/^\d{1,3}$/.test(seeds) || count < 2 || count > MOST_SEEDS)
    throw new Fault('bad_request', `--seeds takes a whole number from 2 to ${MOST_SEEDS}, not "${seeds}"`)
  if (html !== undefined) throw new Fault('bad_request', '--html shows one seed; leave --seeds away')
  return count
}

function policiesOf({ policy, compare }: Options): readonly Policy[] {
  if (compare !== undefined && (compare.length < 2 || compare.length > 4))
    throw new Fault('bad_request', `--compare takes two to four policies, and was given ${compare.length}`)
  const policies = (compare ?? [policy]).map(policyOf)
  const names = policies.map(({ name }) => name)
  if (new Set(names).size < names.length)
    throw new Fault('bad_request', `--compare takes policies of different names, not ${names.join(' ')}`)
  return policies
}

const isShipped = (name: string): name is keyof typeof POLICIES => Object.hasOwn(POLICIES, name)

const policyOf = (name: string): Policy => (isShipped(name) ? POLICIES[name] : readPolicy(name, readToml(name)))

function withSeed<T extends { readonly seed: number }>(scenario: T, seed: string | undefined): T {
  if (seed === undefined) return scenario
  if (!/^\d{1,9}$/.test(seed)) throw new Fault('bad_request', `--seed takes a whole number of at most nine digits, not "${seed}"`)
  return { ...scenario, seed: Number(seed) }
}

function writePage(file: string, reports: readonly SimulationReport[]): void {
  try {
    writeFileSync(file, pageOf(reports))
  } catch (cause) {
    throw new Fault('bad_request', `${file}: ${cause instanceof Error ? cause.message : 'cannot be written'}`, { cause })
  }
}

/**
 * simulate - a campaign on a virtual clock: what it would meet, and what one pause policy costs beside another
 *
 *     bounced simulate scenarios/cold-ip.toml
 *     bounced simulate scenarios/cold-ip.toml --compare default fixed --html out.html
 *
 * Needs no store and no network; the same scenario, policy and seed print the same. A policy is `default`, `never`, `fixed`, or a file.
 *
 * See also: queue/scenario, queue/policyfile (what the files may say), queue/world, docs/SIMULATION.md.
 */
import { writeFileSync } from 'node:fs'
import { readProviders, readToml } from '../edge/providerfiles.ts'
import { loadRules } from '../edge/rulefiles.ts'
import { Fault } from '../error.ts'
import { POLICIES, type Policy } from '../queue/policy.ts'
import { readPolicy } from '../queue/policyfile.ts'
import { reportOf, type SimulationReport } from '../queue/report.ts'
import { pageOf } from '../queue/reportpage.ts'
import { readScenario } from '../queue/scenario.ts'
import { simulate as play } from '../queue/world.ts'
import type { Define } from './define.ts'
import { createProgress } from './progress.ts'
import { reportLines } from './simulatelines.ts'
import { say } from './terminal.ts'

type Options = {
  readonly policy: string
  readonly compare?: readonly string[]
  readonly seed?: string
  readonly json?: true
  readonly html?: string
}

export const simulate: Define = (command) => {
  command
    .argument('<scenario>', 'TOML file with a scenario')
    .option('--policy <policy>', 'pause policy: default, never, fixed, or a TOML file', 'default')
    .option('--compare <policies...>', 'two policies side by side on the same seed')
    .option('--seed <number>', 'another seed than that of the scenario')
    .option('--json', 'print the report as JSON')
    .option('--html <file>', 'write a page with plots')
    .action(run)
}

async function run(path: string, options: Options): Promise<void> {
  const files = readProviders()
  const scenario = withSeed(readScenario(path, readToml(path), [...files.keys()]), options.seed)
  const policies = policiesOf(options)
  const rules = loadRules()
  const progress = await createProgress('mails')
  const reports = policies.map((policy, n): SimulationReport => {
    const onProgress = (done: number, total: number): void => progress.at(n * total + done, policies.length * total)
    return reportOf(scenario, policy.name, play({ scenario, files, rules, policy, onProgress }))
  })
  progress.stop()
  if (options.html !== undefined) writePage(options.html, reports)
  if (options.json === true) process.stdout.write(`${JSON.stringify(reports.length === 1 ? reports[0] : reports, null, 2)}\n`)
  else say(...reportLines(reports))
}

function policiesOf({ policy, compare }: Options): readonly Policy[] {
  if (compare !== undefined && compare.length !== 2)
    throw new Fault('bad_request', `--compare takes two policies, and was given ${compare.length}`)
  return (compare ?? [policy]).map(policyOf)
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

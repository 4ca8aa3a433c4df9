/**
 * report - what a simulation has shown, as plain data
 *
 * Shaped for JSON: no maps, no functions, times as ISO 8601, durations in seconds. The same run gives the same report, to the byte.
 * Pure. See also: simulator/metrics (what was counted), simulator/report-html (as a page), commands/queue/simulate-format (as text).
 */
import { type PauseScore, type ProviderScore, type Score, type Step, STEP_MS } from './metrics.ts'
import type { Outcome } from './simulate.ts'

export type ProviderReport = {
  readonly name: string
  readonly title: string
  readonly mails: number
  readonly delivered: number
  /** Of the ledger: not deliverable, our own lists' answers included. */
  readonly invalid: number
  readonly soft: number
  /** Still in the queue when the simulation ended. */
  readonly waiting: number
  readonly listed: number
  readonly invalidBy: Readonly<Record<string, number>>
  readonly softBy: Readonly<Record<string, number>>
  readonly attempts: number
  readonly wasted: number
  readonly wastedBy: Readonly<Record<string, number>>
  readonly reports: number
  readonly complaints: number
  readonly meanDelaySeconds: number | null
  readonly drainSeconds: number
  /** Ten minutes a step. */
  readonly steps: readonly (Step & { readonly atSeconds: number; readonly waiting: number })[]
}

export type PauseReport = {
  readonly key: string
  readonly classes: Readonly<Record<string, number>>
  readonly paused: number
  readonly throttled: number
  readonly probes: number
  readonly pausedSeconds: number
}

export type SimulationReport = {
  readonly scenario: string
  readonly title: string
  readonly about: string
  readonly policy: string
  readonly seed: number
  readonly start: string
  readonly hours: number
  readonly mails: number
  readonly delivered: number
  readonly invalid: number
  readonly soft: number
  readonly waiting: number
  readonly attempts: number
  readonly wasted: number
  readonly complaints: number
  readonly reports: number
  /** From the start until the last mail ended that did not wait for its own mailbox. */
  readonly drainSeconds: number
  readonly lastEndSeconds: number
  readonly meanDelaySeconds: number | null
  readonly stepSeconds: number
  readonly providers: readonly ProviderReport[]
  readonly pauses: readonly PauseReport[]
  /** What the ledger's own counters say: the same by another way. */
  readonly ledger: Readonly<Record<string, number>>
}

type Told = {
  readonly name: string
  readonly title: string
  readonly about: string
  readonly seed: number
  readonly start: string
  readonly hours: number
}

/** Makes the report of a run. */
export function reportOf(scenario: Told, policy: string, { score, totals }: Outcome): SimulationReport {
  const providers = [...score.providers.values()].map((each) => providerOf(score, each))
  const sum = (pick: (each: ProviderReport) => number): number => providers.reduce((all, each) => all + pick(each), 0)
  const delivered = [...score.providers.values()].reduce((all, each) => all + each.delays, 0)
  const delayMs = [...score.providers.values()].reduce((all, each) => all + each.delayMs, 0)
  const lastEnd = Math.max(...[...score.providers.values()].map((each) => each.endedAt))
  return {
    scenario: scenario.name,
    title: scenario.title,
    about: scenario.about,
    policy,
    seed: scenario.seed,
    start: scenario.start,
    hours: scenario.hours,
    mails: score.mails,
    delivered: sum((each) => each.delivered),
    invalid: sum((each) => each.invalid),
    soft: sum((each) => each.soft),
    waiting: sum((each) => each.waiting),
    attempts: score.attempts,
    wasted: sum((each) => each.wasted),
    complaints: sum((each) => each.complaints),
    reports: sum((each) => each.reports),
    drainSeconds: Math.max(0, ...providers.map((each) => each.drainSeconds)),
    lastEndSeconds: seconds(lastEnd - score.start),
    meanDelaySeconds: delivered === 0 ? null : seconds(delayMs / delivered),
    stepSeconds: STEP_MS / 1_000,
    providers,
    pauses: [...score.pauses.values()].map(pauseOf).toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    ledger: Object.fromEntries([...totals].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  }
}

const seconds = (ms: number): number => Math.round(ms / 1_000)

/** Greatest first; names decide between equals. */
const recordOf = (counts: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...counts].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)))

function providerOf(score: Score, of: ProviderScore): ProviderReport {
  return {
    name: of.name,
    title: of.title,
    mails: of.mails,
    ...of.statuses,
    listed: of.listed,
    invalidBy: recordOf(of.invalid),
    softBy: recordOf(of.soft),
    attempts: of.attempts,
    wasted: [...of.wasted.values()].reduce((all, n) => all + n, 0),
    wastedBy: recordOf(of.wasted),
    reports: of.reports,
    complaints: of.complaints,
    meanDelaySeconds: of.delays === 0 ? null : seconds(of.delayMs / of.delays),
    drainSeconds: seconds(of.drainedAt - score.start),
    steps: stepsOf(of),
  }
}

/** Every step from the first to the last, with what waited at its end. */
function stepsOf(of: ProviderScore): ProviderReport['steps'] {
  let waiting = 0
  return Array.from({ length: Math.max(-1, ...of.steps.keys()) + 1 }, (_, n) => {
    const step = of.steps.get(n) ?? { delivered: 0, deferred: 0, wasted: 0, handed: 0, ended: 0 }
    waiting += step.handed - step.ended
    return { atSeconds: (n * STEP_MS) / 1_000, ...step, waiting }
  })
}

function pauseOf({ key, classes, paused, throttled, probes, pausedMs }: PauseScore): PauseReport {
  return { key, classes: recordOf(classes), paused, throttled, probes, pausedSeconds: seconds(pausedMs) }
}

/**
 * report - the report of a simulation, as plain data
 *
 * Ready for JSON: no maps, times as ISO 8601, durations in seconds. The same run gives the same report, to the byte.
 * Pure. See also: simulator/metrics (the counts), simulator/report-html (as a page), commands/queue/simulate-format (as text).
 */
import { type PauseMetrics, type ProviderMetrics, type SimulationMetrics, type MetricsStep, STEP_MS } from './metrics.ts'
import type { SimulationResult } from './simulate.ts'

export type ProviderReport = {
  readonly name: string
  readonly title: string
  readonly mails: number
  readonly delivered: number
  /** Invalid by the ledger, including messages that our own lists suppressed. */
  readonly invalid: number
  readonly soft: number
  /** Still in the queue when the simulation ended. */
  readonly waiting: number
  readonly listed: number
  readonly invalidBy: Readonly<Record<string, number>>
  readonly softBy: Readonly<Record<string, number>>
  readonly attempts: number
  /** Opened. */
  readonly connections: number
  readonly wasted: number
  readonly wastedBy: Readonly<Record<string, number>>
  readonly reports: number
  readonly complaints: number
  readonly meanDelaySeconds: number | null
  readonly drainSeconds: number
  /** Steps of ten minutes. */
  readonly steps: readonly (MetricsStep & { readonly atSeconds: number; readonly waiting: number })[]
}

type PauseReport = {
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
  /** From the start until the end of the last message that did not wait for its own mailbox. */
  readonly drainSeconds: number
  readonly lastEndSeconds: number
  readonly meanDelaySeconds: number | null
  readonly stepSeconds: number
  readonly providers: readonly ProviderReport[]
  readonly pauses: readonly PauseReport[]
  /** The ledger's own counters, as a check. */
  readonly ledger: Readonly<Record<string, number>>
}

type ScenarioInfo = {
  readonly name: string
  readonly title: string
  readonly about: string
  readonly seed: number
  readonly start: string
  readonly hours: number
}

/** The report of a run. */
export function createReport(scenario: ScenarioInfo, policy: string, { metrics, totals }: SimulationResult): SimulationReport {
  const providers = [...metrics.providers.values()].map((each) => createProviderReport(metrics, each))
  const sum = (pick: (each: ProviderReport) => number): number => providers.reduce((all, each) => all + pick(each), 0)
  const delivered = [...metrics.providers.values()].reduce((all, each) => all + each.acceptedCount, 0)
  const delayMs = [...metrics.providers.values()].reduce((all, each) => all + each.totalDelayMs, 0)
  const lastEnd = Math.max(...[...metrics.providers.values()].map((each) => each.endedAt))
  return {
    scenario: scenario.name,
    title: scenario.title,
    about: scenario.about,
    policy,
    seed: scenario.seed,
    start: scenario.start,
    hours: scenario.hours,
    mails: metrics.mails,
    delivered: sum((each) => each.delivered),
    invalid: sum((each) => each.invalid),
    soft: sum((each) => each.soft),
    waiting: sum((each) => each.waiting),
    attempts: metrics.attempts,
    wasted: sum((each) => each.wasted),
    complaints: sum((each) => each.complaints),
    reports: sum((each) => each.reports),
    drainSeconds: Math.max(0, ...providers.map((each) => each.drainSeconds)),
    lastEndSeconds: roundToSeconds(lastEnd - metrics.start),
    meanDelaySeconds: delivered === 0 ? null : roundToSeconds(delayMs / delivered),
    stepSeconds: STEP_MS / 1_000,
    providers,
    pauses: [...metrics.pauses.values()].map(createPauseReport).toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    ledger: Object.fromEntries([...totals].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  }
}

const roundToSeconds = (ms: number): number => Math.round(ms / 1_000)

/** Largest first; equal counts by name. */
const sortedCounts = (counts: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...counts].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)))

function createProviderReport(metrics: SimulationMetrics, provider: ProviderMetrics): ProviderReport {
  return {
    name: provider.name,
    title: provider.title,
    mails: provider.mails,
    ...provider.statuses,
    listed: provider.listed,
    invalidBy: sortedCounts(provider.invalid),
    softBy: sortedCounts(provider.soft),
    attempts: provider.attempts,
    connections: provider.connections,
    wasted: [...provider.wasted.values()].reduce((all, n) => all + n, 0),
    wastedBy: sortedCounts(provider.wasted),
    reports: provider.reports,
    complaints: provider.complaints,
    meanDelaySeconds: provider.acceptedCount === 0 ? null : roundToSeconds(provider.totalDelayMs / provider.acceptedCount),
    drainSeconds: roundToSeconds(provider.drainedAt - metrics.start),
    steps: stepsOf(provider),
  }
}

/** All steps from the first to the last, with the messages that waited at the end of each. */
function stepsOf(provider: ProviderMetrics): ProviderReport['steps'] {
  let waiting = 0
  return Array.from({ length: Math.max(-1, ...provider.steps.keys()) + 1 }, (_, n) => {
    const step = provider.steps.get(n) ?? { delivered: 0, deferred: 0, wasted: 0, handed: 0, ended: 0 }
    waiting += step.handed - step.ended
    return { atSeconds: (n * STEP_MS) / 1_000, ...step, waiting }
  })
}

function createPauseReport({ key, classes, paused, throttled, probes, pausedMs }: PauseMetrics): PauseReport {
  return { key, classes: sortedCounts(classes), paused, throttled, probes, pausedSeconds: roundToSeconds(pausedMs) }
}

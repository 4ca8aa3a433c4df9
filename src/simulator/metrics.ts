/**
 * metrics - counts what happens in a simulation
 *
 * Each message is counted once, when nothing more can happen to it, by its status in the ledger. An attempt is wasted if the provider was
 * refusing its sender. The drain ends with the last message that did not wait for its own mailbox: a full mailbox is no matter of pauses.
 *
 * Mutable, owned by one simulation. See also: simulator/simulate, simulator/report (made from it).
 */
import type { DeliveryRow } from '../ledger/project/state.ts'
import type { QueueEvent, KeyTransition } from '../queue/message.ts'
import type { RefusalKind } from './provider-limits.ts'

/** The width of a step in the plots. */
export const STEP_MS = 600_000

/** One step of one provider. `handed`: messages enqueued. */
export type MetricsStep = { delivered: number; deferred: number; wasted: number; handed: number; ended: number }

export type ProviderMetrics = {
  readonly name: string
  readonly title: string
  mails: number
  readonly statuses: { delivered: number; invalid: number; soft: number; waiting: number }
  /** Messages that one of our own lists suppressed. */
  listed: number
  readonly invalid: Map<string, number>
  readonly soft: Map<string, number>
  attempts: number
  /** Opened. */
  connections: number
  readonly wasted: Map<RefusalKind, number>
  reports: number
  complaints: number
  /** Accepted messages, and the sum of the times from enqueuing to acceptance. */
  acceptedCount: number
  totalDelayMs: number
  drainedAt: number
  endedAt: number
  readonly steps: Map<number, MetricsStep>
}

/** The pauses of one key. */
export type PauseMetrics = {
  readonly key: string
  readonly classes: Map<string, number>
  paused: number
  throttled: number
  probes: number
  pausedMs: number
  since: number | null
}

export type SimulationMetrics = {
  readonly start: number
  readonly providers: Map<string, ProviderMetrics>
  readonly pauses: Map<string, PauseMetrics>
  mails: number
  attempts: number
  transitions: number
}

/** All counts zero. */
export const createMetrics = (start: number): SimulationMetrics => ({
  start,
  providers: new Map(),
  pauses: new Map(),
  mails: 0,
  attempts: 0,
  transitions: 0,
})

/** The metrics of a provider, created where there are none. */
export function getProviderMetrics(metrics: SimulationMetrics, name: string, title: string): ProviderMetrics {
  const known = metrics.providers.get(name)
  if (known !== undefined) return known
  const created: ProviderMetrics = {
    name,
    title,
    mails: 0,
    statuses: { delivered: 0, invalid: 0, soft: 0, waiting: 0 },
    listed: 0,
    invalid: new Map(),
    soft: new Map(),
    attempts: 0,
    connections: 0,
    wasted: new Map(),
    reports: 0,
    complaints: 0,
    acceptedCount: 0,
    totalDelayMs: 0,
    drainedAt: metrics.start,
    endedAt: metrics.start,
    steps: new Map(),
  }
  metrics.providers.set(name, created)
  return created
}

/** The step of a provider that contains a moment, created where there is none. */
export function metricsStepAt(metrics: SimulationMetrics, provider: ProviderMetrics, at: number): MetricsStep {
  const n = Math.floor((at - metrics.start) / STEP_MS)
  const known = provider.steps.get(n)
  if (known !== undefined) return known
  const created = { delivered: 0, deferred: 0, wasted: 0, handed: 0, ended: 0 }
  provider.steps.set(n, created)
  return created
}

export const increment = <K>(counts: Map<K, number>, key: K, n = 1): void => {
  counts.set(key, (counts.get(key) ?? 0) + n)
}

const STATUS_NAMES = { 1: 'delivered', 4: 'invalid', 5: 'soft', 18: 'waiting' } as const

/** Counts a message whose outcome is final, by its row in the ledger. */
export function countMessage(provider: ProviderMetrics, row: DeliveryRow): void {
  const name = STATUS_NAMES[row.status]
  provider.statuses[name] += 1
  const reason = row.reason ?? 'other'
  if (name === 'invalid') increment(provider.invalid, reason)
  if (name === 'soft') increment(provider.soft, reason)
}

/** Counts the transitions among events. */
export function countTransitions(metrics: SimulationMetrics, events: readonly QueueEvent[]): void {
  for (const event of events) if ('key' in event && 'from' in event) countTransition(metrics, event)
}

function countTransition(metrics: SimulationMetrics, { key, class: name, from, to, at }: KeyTransition): void {
  const known = metrics.pauses.get(key)
  const pause = known ?? { key, classes: new Map<string, number>(), paused: 0, throttled: 0, probes: 0, pausedMs: 0, since: null }
  if (known === undefined) metrics.pauses.set(key, pause)
  metrics.transitions += 1
  if (from === 'paused' && pause.since !== null) {
    pause.pausedMs += at - pause.since
    pause.since = null
  }
  if (to === 'paused' && from !== 'paused') {
    pause.paused += 1
    pause.since = at
    increment(pause.classes, name ?? 'none')
  }
  if (to === 'throttled') {
    pause.throttled += 1
    increment(pause.classes, name ?? 'none')
  }
  if (to === 'probing') pause.probes += 1
}

/**
 * metrics - what is counted while a simulation runs
 *
 * Each mail is counted once when its life is over, by the ledger's status; each answer when it is heard, and as wasted when the provider was
 * saying no. The drain is the moment at which the last mail ended that did not wait for its own mailbox: a full one is nobody's pause.
 *
 * Mutable, owned by one simulation. See also: simulator/simulate, simulator/report (what is made of it).
 */
import type { DeliveryRow } from '../ledger/project/state.ts'
import type { QueueEvent, Transition } from '../queue/message.ts'
import type { No } from './provider-model.ts'

/** The grain of the plots. */
export const STEP_MS = 600_000

/** One step of one provider. */
export type Step = { delivered: number; deferred: number; wasted: number; handed: number; ended: number }

export type ProviderScore = {
  readonly name: string
  readonly title: string
  mails: number
  readonly statuses: { delivered: number; invalid: number; soft: number; waiting: number }
  /** Mails that one of our lists answered. */
  listed: number
  readonly invalid: Map<string, number>
  readonly soft: Map<string, number>
  attempts: number
  readonly wasted: Map<No, number>
  reports: number
  complaints: number
  /** How many 250s, and the sum of milliseconds from the queue's taking a mail to its 250. */
  delays: number
  delayMs: number
  drainedAt: number
  endedAt: number
  readonly steps: Map<number, Step>
}

/** The pauses of one key. */
export type PauseScore = {
  readonly key: string
  readonly classes: Map<string, number>
  paused: number
  throttled: number
  probes: number
  pausedMs: number
  since: number | null
}

export type Score = {
  readonly start: number
  readonly providers: Map<string, ProviderScore>
  readonly pauses: Map<string, PauseScore>
  mails: number
  attempts: number
  events: number
}

/** Nothing has happened. */
export const openScore = (start: number): Score => ({ start, providers: new Map(), pauses: new Map(), mails: 0, attempts: 0, events: 0 })

/** The score of a provider; made when it is first asked for. */
export function providerScore(score: Score, name: string, title: string): ProviderScore {
  const known = score.providers.get(name)
  if (known !== undefined) return known
  const made: ProviderScore = {
    name,
    title,
    mails: 0,
    statuses: { delivered: 0, invalid: 0, soft: 0, waiting: 0 },
    listed: 0,
    invalid: new Map(),
    soft: new Map(),
    attempts: 0,
    wasted: new Map(),
    reports: 0,
    complaints: 0,
    delays: 0,
    delayMs: 0,
    drainedAt: score.start,
    endedAt: score.start,
    steps: new Map(),
  }
  score.providers.set(name, made)
  return made
}

/** The step of a provider in which a moment lies. */
export function stepAt(score: Score, of: ProviderScore, at: number): Step {
  const n = Math.floor((at - score.start) / STEP_MS)
  const known = of.steps.get(n)
  if (known !== undefined) return known
  const made = { delivered: 0, deferred: 0, wasted: 0, handed: 0, ended: 0 }
  of.steps.set(n, made)
  return made
}

export const countUp = <K>(counts: Map<K, number>, key: K, n = 1): void => {
  counts.set(key, (counts.get(key) ?? 0) + n)
}

const STATUS_NAMES = { 1: 'delivered', 4: 'invalid', 5: 'soft', 18: 'waiting' } as const

/** Counts a mail whose life is over, by its row. */
export function countMail(of: ProviderScore, row: DeliveryRow): void {
  const name = STATUS_NAMES[row.status]
  of.statuses[name] += 1
  const reason = row.reason ?? 'other'
  if (name === 'invalid') countUp(of.invalid, reason)
  if (name === 'soft') countUp(of.soft, reason)
}

/** Counts what moved. */
export function countTransitions(score: Score, events: readonly QueueEvent[]): void {
  for (const event of events) if ('key' in event && 'from' in event) countTransition(score, event)
}

function countTransition(score: Score, { key, class: name, from, to, at }: Transition): void {
  const known = score.pauses.get(key)
  const pause = known ?? { key, classes: new Map<string, number>(), paused: 0, throttled: 0, probes: 0, pausedMs: 0, since: null }
  if (known === undefined) score.pauses.set(key, pause)
  score.events += 1
  if (from === 'paused' && pause.since !== null) {
    pause.pausedMs += at - pause.since
    pause.since = null
  }
  if (to === 'paused' && from !== 'paused') {
    pause.paused += 1
    pause.since = at
    countUp(pause.classes, name ?? 'none')
  }
  if (to === 'throttled') {
    pause.throttled += 1
    countUp(pause.classes, name ?? 'none')
  }
  if (to === 'probing') pause.probes += 1
}

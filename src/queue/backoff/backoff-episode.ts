/**
 * backoff-episode - one class's trouble with one key, as a value
 *
 * A key has one for each class that it has heard; a delivery needs all of them open. `epoch` is the queue's running number at the last
 * transition: a dispatch with a lower number is older than the transition, and its answer moves nothing.
 *
 * Pure, plain JSON. See also: queue/backoff/backoff (what moves it), queue/backoff/backoff-state (the states).
 */
import type { BackoffKey } from './backoff-key.ts'
import type { EvidenceReply } from '../message.ts'
import type { BackoffClassName, TripMeasure, RecoveryLadder } from './backoff-classes.ts'
import type { BackoffPolicy } from './policy.ts'
import type { BackoffState } from './backoff-state.ts'
import { emptySlidingCount, type SlidingCount } from './sliding-count.ts'

/** Hits and what they are a share of, for one measure. */
export type MeasureCount = { readonly hits: SlidingCount; readonly of: SlidingCount }

export type BackoffEpisode = {
  readonly key: BackoffKey
  readonly class: BackoffClassName
  readonly state: BackoffState
  readonly n: number
  readonly epoch: number
  /** When it came to this state. */
  readonly since: number
  /** The next sending time of a pause; null: an operator's Recover, or not paused. */
  readonly until: number | null
  readonly pausedMs: number
  /** The last answer of the class (for ratio classes: the last trip). */
  readonly troubleAt: number
  readonly counts: readonly MeasureCount[]
  readonly inARow: number
  /** What the key sent cleanly before the trouble: mails a minute, and connections at once. */
  readonly rateBefore: number
  readonly connectionsBefore: number
  /** A probe: how many it is, how many are out or in, how many are in, and when the last went out or came in. */
  readonly batch: number
  readonly sent: number
  readonly answered: number
  readonly movedAt: number
  /** The rung of recovery; null: none, full speed. */
  readonly rung: number | null
  readonly rungAt: number
  readonly clean: number
  readonly evidence: readonly EvidenceReply[]
}

/** More would be read by nobody. */
export const MAX_EVIDENCE = 5

/** An episode in which nothing has happened. `known`: what the key has counted of attempts and accepted mails in such a window. */
export function createBackoffEpisode(
  policy: BackoffPolicy,
  at: { readonly key: BackoffKey; readonly class: BackoffClassName; readonly now: number },
  countFor: (measure: TripMeasure) => SlidingCount,
): BackoffEpisode {
  return {
    key: at.key,
    class: at.class,
    state: 'active',
    n: 0,
    epoch: 0,
    since: at.now,
    until: null,
    pausedMs: 0,
    troubleAt: at.now,
    counts: policy.classes[at.class].measures.map((measure) => ({ hits: emptySlidingCount(measure.windowMs), of: countFor(measure) })),
    inARow: 0,
    rateBefore: 0,
    connectionsBefore: 1,
    batch: 0,
    sent: 0,
    answered: 0,
    movedAt: at.now,
    rung: null,
    rungAt: at.now,
    clean: 0,
    evidence: [],
  }
}

/** How a key may be used. Null: not limited so. */
export type BackoffLimits = {
  /** Shut until then; `operator`: until somebody opens it; false: not shut. */
  readonly closedUntil: number | 'operator' | false
  readonly perMinute: number | null
  readonly connections: number | null
  /** How many mails of a probe may still go out, one after the other. */
  readonly probesLeft: number | null
}

export const NO_BACKOFF_LIMITS: BackoffLimits = { closedUntil: false, perMinute: null, connections: null, probesLeft: null }

/** A rate that was never measured, or was tiny, is taken as this: recovery must move. */
const MIN_RATE_PER_MINUTE = 60

/** How an episode recovers: as its class says, else as the policy does. */
export const recoveryOf = (policy: BackoffPolicy, episode: BackoffEpisode): RecoveryLadder =>
  policy.classes[episode.class].recovery ?? policy

function limitsAtShare(episode: BackoffEpisode, share: number): BackoffLimits {
  if (episode.key.startsWith('connection|')) {
    return { ...NO_BACKOFF_LIMITS, connections: Math.max(1, Math.ceil(share * episode.connectionsBefore)) }
  }
  return { ...NO_BACKOFF_LIMITS, perMinute: Math.max(1, share * Math.max(MIN_RATE_PER_MINUTE, episode.rateBefore)) }
}

/** What an episode allows. Total. */
export function backoffLimitsOf(policy: BackoffPolicy, episode: BackoffEpisode): BackoffLimits {
  if (episode.state === 'paused') return { ...NO_BACKOFF_LIMITS, closedUntil: episode.until ?? 'operator' }
  if (episode.state === 'probing') {
    const isProbeInFlight = episode.sent > episode.answered
    return { ...NO_BACKOFF_LIMITS, probesLeft: isProbeInFlight ? 0 : Math.max(0, episode.batch - episode.sent) }
  }
  if (episode.state === 'throttled') {
    const { share, perMinute, connections } = policy.classes[episode.class].throttle
    return share === null ? { ...NO_BACKOFF_LIMITS, perMinute, connections } : limitsAtShare(episode, share)
  }
  const share = episode.rung === null ? null : (recoveryOf(policy, episode).ladder[episode.rung] ?? null)
  return share === null ? NO_BACKOFF_LIMITS : limitsAtShare(episode, share)
}

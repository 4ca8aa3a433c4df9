/**
 * backoff-episode - the backoff of one key for one class, as a value
 *
 * A key has one episode per class that it has met; a message needs all of them open. `epoch` is the queue's sequence number at the last
 * transition: a dispatch with a lower number is older than the transition, and its result changes nothing.
 *
 * Pure, plain JSON. The members are final: released stores hold episodes. See also: queue/backoff/backoff (changes it), queue/backoff/backoff-state.
 */
import { type BackoffKeyId, keyKindOf } from './backoff-key.ts'
import type { EvidenceReply } from '../message.ts'
import type { BackoffClassName, TripMeasure, RecoveryLadder } from './backoff-classes.ts'
import type { BackoffPolicy } from './policy.ts'
import type { BackoffState } from './backoff-state.ts'
import { emptySlidingCount, type SlidingCount } from './sliding-count.ts'

/** For one measure: the hits, and what they are a share of. */
export type MeasureCount = { readonly hits: SlidingCount; readonly of: SlidingCount }

export type BackoffEpisode = {
  readonly key: BackoffKeyId
  readonly class: BackoffClassName
  readonly state: BackoffState
  readonly n: number
  readonly epoch: number
  /** When it entered this state. */
  readonly since: number
  /** The next sending time of a pause; null: not paused, or until an operator's Recover. */
  readonly until: number | null
  readonly pausedMs: number
  /**
   * For classes that learn the pause: the refused probes of the present refusal, when it began, when the last of them was refused, and how
   * long the refusal before is taken to have lasted. Absent in rows of older versions.
   */
  readonly pauseStep?: number
  readonly refusedAt?: number
  readonly probedAt?: number
  readonly refusedMs?: number
  /** When the last hit of the class came; for classes that relapse by a trip: the last trip. */
  readonly troubleAt: number
  readonly counts: readonly MeasureCount[]
  readonly inARow: number
  /** What the key did before the trouble: accepted messages a minute, and simultaneous connections. */
  readonly rateBefore: number
  readonly connectionsBefore: number
  /** A probe: its size, how many were sent, how many results are in, and when the last was sent or came in. */
  readonly batch: number
  readonly sent: number
  readonly answered: number
  readonly movedAt: number
  /** The rung of the recovery ladder; null: full speed. */
  readonly rung: number | null
  readonly rungAt: number
  readonly clean: number
  readonly evidence: readonly EvidenceReply[]
}

/** Evidence is read by people: five replies show what goes on. */
export const MAX_EVIDENCE = 5

/** A new episode. `countFor`: what the key has counted so far in the window of a measure. */
export function createBackoffEpisode(
  policy: BackoffPolicy,
  at: { readonly key: BackoffKeyId; readonly class: BackoffClassName; readonly now: number },
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

/** How a key may be used. Null: no such limit. */
export type BackoffLimits = {
  /** Closed until this time; `operator`: until an operator opens it; false: open. */
  readonly closedUntil: number | 'operator' | false
  readonly perMinute: number | null
  readonly connections: number | null
  /** How many messages of a probe may still be sent, one after the other. */
  readonly probesLeft: number | null
}

export const NO_BACKOFF_LIMITS: BackoffLimits = { closedUntil: false, perMinute: null, connections: null, probesLeft: null }

/** The least rate before the trouble: a recovery at shares of a tiny or unmeasured rate would not get on. */
const MIN_RATE_PER_MINUTE = 60

/** How an episode recovers: as its class says, else as the policy says. */
export const recoveryOf = (policy: BackoffPolicy, episode: BackoffEpisode): RecoveryLadder =>
  policy.classes[episode.class].recovery ?? policy

function limitsAtShare(episode: BackoffEpisode, share: number): BackoffLimits {
  if (keyKindOf(episode.key) === 'connection') {
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

/**
 * lane-view - the status of a lane as an operator sees it
 *
 * The key that opens last gives the reason and the next sending time; where an account has several egress IPs, on the path that opens first.
 * Changes nothing. See also: queue/schedule/operator-commands, queue/observe/throughput.
 */
import { sizeOf } from '../schedule/fifo.ts'
import { nextRetryAt } from '../schedule/lane.ts'
import { mostRestrictiveEpisode } from './blocking-key.ts'
import { findLaneBlocker, findSlowingEpisode, rateInForce, relevantStreams } from './lane-limits.ts'
import { BACKOFF_KEYS, type BackoffKeyId, keyReasonOf } from '../backoff/backoff-key.ts'
import type { EvidenceReply } from '../message.ts'
import type { BackoffClassName } from '../backoff/backoff-classes.ts'
import { averagePerSecond, type ThroughputKind } from './throughput.ts'
import { BACKOFF_STATES } from '../backoff/backoff-state.ts'
import type { KeyState, Lane, QueueState } from '../queue-state.ts'
import { type PausedLabel, pausedLabelsOf } from '../schedule/label-pause.ts'

/** Averages a second over the last 5, 15 and 30 seconds. */
export type RateAverages = readonly [five: number, fifteen: number, thirty: number]

/** The states of a lane. `manual` (paused by a person) and `limited` (by a limit of our own) are no states of a backoff. */
export const LANE_STATES = [...BACKOFF_STATES, 'manual', 'limited'] as const

export type LaneStatus = {
  readonly account: number
  readonly domain: string
  /** The state of the key that opens last; where none is closed, of the key that holds back most. */
  readonly state: (typeof LANE_STATES)[number]
  readonly isStopped: boolean
  /** Null where nothing holds the lane back. */
  readonly reason: string | null
  readonly key: BackoffKeyId | null
  readonly class: BackoffClassName | null
  readonly n: number
  /** Where no key is closed, when the first deferred message is due. Null where it sends, or where only a result or an operator opens it. */
  readonly nextSendingAt: number | null
  readonly waiting: number
  readonly inFlight: number
  readonly rates: Readonly<Record<ThroughputKind, RateAverages>>
  readonly evidence: readonly EvidenceReply[]
  /** The rate that an operator has set, in messages a minute; null: none. */
  readonly perMinute: number | null
  /** What all rates together allow now: those of backoffs, learnt ones and the operator's. Null: no limit. Absent in rows of older versions. */
  readonly perMinuteInForce?: number | null
  /** The labels that a person paused; absent: none. */
  readonly pausedLabels?: readonly PausedLabel[]
}

/** The status of one lane. */
export function statusOfLane(queue: QueueState, lane: Lane, now: number): LaneStatus {
  const streams = relevantStreams(queue, lane)
  const blocker = findLaneBlocker(queue, lane, streams, now)
  const episode = blocker === null ? findSlowingEpisode(queue, streams) : mostRestrictiveEpisode([...blocker.keyState.episodes.values()])
  const isManual = blocker !== null && blocker.keyState.manualPause !== null
  const perMinute = queue.keyStates.get(lane.id)?.operatorRate ?? null
  const isLimited = perMinute !== null
  const isStopped = isManual || (blocker !== null && episode?.state === 'paused')
  const key = blocker?.keyState.id ?? episode?.key ?? (isLimited ? lane.id : null)
  const isDeferred = blocker === null && lane.inFlight === 0 && streams.every(({ ready }) => sizeOf(ready) === 0)
  const pausedLabels = pausedLabelsOf(queue, lane)
  const at = isDeferred ? nextRetryAt(queue, lane) : (blocker?.opensAt ?? Infinity)
  return {
    account: lane.account,
    domain: lane.domain,
    state: isManual ? 'manual' : (episode?.state ?? (blocker === null && !isLimited ? 'active' : 'limited')),
    isStopped,
    reason: blocker !== null && isSiteLimit(blocker.keyState) ? SITE_LIMIT_REASON : keyReasonOf(key),
    key,
    class: episode?.class ?? null,
    n: episode?.n ?? 0,
    nextSendingAt: at === Infinity ? null : at,
    waiting: lane.waiting,
    inFlight: lane.inFlight,
    rates: { in: rateAveragesOf(lane, 'in', now), try: rateAveragesOf(lane, 'try', now), out: rateAveragesOf(lane, 'out', now) },
    evidence: episode?.evidence ?? lane.recentReplies,
    perMinute,
    perMinuteInForce: isStopped ? 0 : rateInForce(queue, lane, streams),
    ...(pausedLabels.length === 0 ? {} : { pausedLabels }),
  }
}

const SITE_LIMIT_REASON = keyReasonOf(BACKOFF_KEYS.site({ site: '' }))

/** Whether nothing but a setting or the shaping of the site closes a key of an egress IP. */
const isSiteLimit = ({ key, episodes, learnedRate, learnedConcurrency }: KeyState): boolean =>
  (key?.kind === 'ip' || key?.kind === 'connection') &&
  learnedRate === null &&
  learnedConcurrency === null &&
  mostRestrictiveEpisode([...episodes.values()]) === null

const rateAveragesOf = ({ throughput }: Lane, kind: ThroughputKind, now: number): RateAverages => [
  averagePerSecond(throughput, kind, { seconds: 5, now }),
  averagePerSecond(throughput, kind, { seconds: 15, now }),
  averagePerSecond(throughput, kind, { seconds: 30, now }),
]

/**
 * lane-view - the status of a lane as an operator sees it
 *
 * The key that opens last gives the reason and the next sending time; where an account has several egress IPs, on the path that opens first.
 * Changes nothing. See also: queue/schedule/operator-commands, queue/observe/throughput.
 */
import type { BackoffEpisode } from '../backoff/backoff-episode.ts'
import { sizeOf } from '../schedule/fifo.ts'
import { nextRetryAt } from '../schedule/lane.ts'
import { type Blocker, findBlocker, soonerBlocker, mostRestrictiveEpisode } from './blocking-key.ts'
import { type BackoffKeyId, keyReasonOf } from '../backoff/backoff-key.ts'
import type { EvidenceReply } from '../message.ts'
import type { BackoffClassName } from '../backoff/backoff-classes.ts'
import { averagePerSecond, type ThroughputKind } from './throughput.ts'
import { BACKOFF_STATES } from '../backoff/backoff-state.ts'
import type { Lane, QueueState, MessageStream } from '../queue-state.ts'

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
}

/** The status of one lane. */
export function statusOfLane(queue: QueueState, lane: Lane, now: number): LaneStatus {
  const streams = [...lane.streams].flatMap((id) => queue.streams.get(id) ?? [])
  const busy = streams.filter(({ waiting }) => waiting > 0)
  const blockers = (busy.length > 0 ? busy : streams).map((stream) => findBlocker(queue, stream, now))
  const blocker =
    blockers.reduce<Blocker | null | undefined>((first, one) => (first === undefined ? one : soonerBlocker(first, one)), undefined) ?? null
  const episode =
    blocker === null
      ? mostRestrictiveEpisode(streams.flatMap((stream) => episodesCovering(queue, stream)))
      : mostRestrictiveEpisode([...blocker.keyState.episodes.values()])
  const isManual = blocker !== null && blocker.keyState.manualPause !== null
  const isLimited = lane.waiting > 0 && (queue.keyStates.get(lane.id)?.operatorRate ?? null) !== null
  const key = blocker?.keyState.id ?? episode?.key ?? (isLimited ? lane.id : null)
  const isDeferred = blocker === null && lane.inFlight === 0 && streams.every(({ ready }) => sizeOf(ready) === 0)
  const at = isDeferred ? nextRetryAt(queue, lane) : (blocker?.opensAt ?? Infinity)
  return {
    account: lane.account,
    domain: lane.domain,
    state: isManual ? 'manual' : (episode?.state ?? (blocker === null && !isLimited ? 'active' : 'limited')),
    isStopped: isManual || episode?.state === 'paused',
    reason: keyReasonOf(key),
    key,
    class: episode?.class ?? null,
    n: episode?.n ?? 0,
    nextSendingAt: at === Infinity ? null : at,
    waiting: lane.waiting,
    inFlight: lane.inFlight,
    rates: { in: rateAveragesOf(lane, 'in', now), try: rateAveragesOf(lane, 'try', now), out: rateAveragesOf(lane, 'out', now) },
    evidence: episode?.evidence ?? lane.recentReplies,
    perMinute: queue.keyStates.get(lane.id)?.operatorRate ?? null,
  }
}

function episodesCovering(queue: QueueState, stream: MessageStream): BackoffEpisode[] {
  const keys = [...stream.keys, ...stream.egressPaths.flatMap((egressPath) => egressPath.keys)]
  return keys.flatMap((key) => [...(queue.keyStates.get(key)?.episodes.values() ?? [])])
}

const rateAveragesOf = ({ throughput }: Lane, kind: ThroughputKind, now: number): RateAverages => [
  averagePerSecond(throughput, kind, { seconds: 5, now }),
  averagePerSecond(throughput, kind, { seconds: 15, now }),
  averagePerSecond(throughput, kind, { seconds: 30, now }),
]

/**
 * lane-view - what an operator sees of a lane, and of a key
 *
 * The key that opens last gives the reason and the next sending time; where an account has several IPs, of the way that opens first.
 * Changes nothing. See also: queue/schedule/operator-commands, queue/observe/throughput.
 */
import type { BackoffEpisode } from '../backoff/backoff-episode.ts'
import { sizeOf } from '../schedule/fifo.ts'
import { nextRetryAt } from '../schedule/lane.ts'
import { type Blocker, findBlocker, soonerBlocker, mostRestrictiveEpisode } from './blocking-key.ts'
import { BACKOFF_KEY_REASONS, keyKindOf, type BackoffKey } from '../backoff/backoff-key.ts'
import type { EvidenceReply } from '../message.ts'
import type { BackoffClassName } from '../backoff/backoff-classes.ts'
import { averagePerSecond, type ThroughputKind } from './throughput.ts'
import type { BackoffState } from '../backoff/backoff-state.ts'
import type { Lane, QueueState, MessageStream } from '../queue-state.ts'

/** Averages a second over the last 5, 15 and 30 seconds. */
export type RateAverages = readonly [five: number, fifteen: number, thirty: number]

export type LaneStatus = {
  readonly account: number
  readonly domain: string
  /** `manual` and `limited` are ours; the rest is the state of the key that opens last, or else of the one that holds it back most. */
  readonly state: BackoffState | 'manual' | 'limited'
  readonly isStopped: boolean
  /** Null where nothing holds it. */
  readonly reason: string | null
  readonly key: BackoffKey | null
  readonly class: BackoffClassName | null
  readonly n: number
  /** For a lane that nothing holds, when its first resting mail is due. Null where it sends, or where only an answer or an operator lets it. */
  readonly nextSendingAt: number | null
  readonly waiting: number
  readonly inFlight: number
  readonly rates: Readonly<Record<ThroughputKind, RateAverages>>
  readonly evidence: readonly EvidenceReply[]
  /** The rate that an operator has set, in mails a minute; null: none. */
  readonly perMinute: number | null
}

/** One lane as an operator sees it. */
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
  const isManual = blocker !== null && blocker.keyState.manual !== null
  const isLimited = lane.waiting > 0 && (queue.keyStates.get(lane.id)?.limit ?? null) !== null
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
    perMinute: queue.keyStates.get(lane.id)?.limit ?? null,
  }
}

function episodesCovering(queue: QueueState, stream: MessageStream): BackoffEpisode[] {
  const keys = [...stream.keys, ...stream.egressPaths.flatMap((egressPath) => egressPath.keys)]
  return keys.flatMap((key) => [...(queue.keyStates.get(key)?.episodes.values() ?? [])])
}

/** What the user is told about a key; null for none. */
export function keyReasonOf(key: BackoffKey | null): string | null {
  const kind = key === null ? null : keyKindOf(key)
  return kind === null ? null : BACKOFF_KEY_REASONS[kind]
}

const rateAveragesOf = ({ throughput }: Lane, what: ThroughputKind, now: number): RateAverages => [
  averagePerSecond(throughput, what, { seconds: 5, now }),
  averagePerSecond(throughput, what, { seconds: 15, now }),
  averagePerSecond(throughput, what, { seconds: 30, now }),
]

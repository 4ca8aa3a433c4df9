/**
 * queue-state - everything a queue holds: mails, streams, lanes, gates, and who waits for what
 *
 * A lane is (account, receiving domain): what shares a node fairly, and what an operator sees. Inside it a stream holds the mails that the
 * same keys cover whichever IP they leave by; one stream, one decision for all its mails, however many. A gate is what is known of a key.
 * A stream that is shut out waits at the gates that shut it, and is looked at again when one of them opens.
 *
 * One mutable value of plain JSON but for Map and Set, in which order is meaning; numbers rise and never come back (`sequence`).
 * See also: queue/queue (what it is asked), queue/backoff/key-state, queue/schedule/lane, queue/snapshot.
 */
import type { ConcurrencyLimit } from './backoff/concurrency-limiter.ts'
import type { HoldPeriod } from './schedule/hold-time.ts'
import type { BackoffEpisode, BackoffLimits } from './backoff/backoff-episode.ts'
import { emptyFifo, type Fifo } from './schedule/fifo.ts'
import type { Destination, BackoffKey, BackoffKeyKind } from './backoff/backoff-key.ts'
import type { AttemptResult, Dispatch, EvidenceReply, QueueMessage, MailId } from './message.ts'
import type { TokenBucket, AdaptiveRate } from './backoff/rate-limiter.ts'
import type { BackoffClassName } from './backoff/backoff-classes.ts'
import type { BackoffPolicy } from './backoff/policy.ts'
import { emptyThroughput, type Throughput } from './observe/throughput.ts'
import type { DeliveryRetrySchedule } from './schedule/retry.ts'
import type { FairShareKeys } from './schedule/fair-share.ts'
import type { SlidingCount } from './backoff/sliding-count.ts'
import type { Timer } from './schedule/timer-heap.ts'

export type LaneId = string
export type MessageStreamId = string

/** A mail and where it stands. `ready`: in the line of its stream; `resting`: until `dueAt`; `flight`: handed out. */
export type QueueEntry = {
  message: QueueMessage
  stream: MessageStreamId
  state: 'ready' | 'resting' | 'flight'
  attempts: number
  dueAt: number
  lastResult: AttemptResult | null
  /** IPs that this mail was refused from. */
  refusedBy: readonly string[]
}

/** One way out of a stream. */
export type EgressPath = { readonly egressIp: string; readonly keys: readonly BackoffKey[] }

export type MessageStream = {
  readonly id: MessageStreamId
  readonly lane: LaneId
  readonly destination: Destination
  /** Keys that cover it by any way. */
  readonly keys: readonly BackoffKey[]
  readonly egressPaths: readonly EgressPath[]
  readonly fairShareKeys: FairShareKeys
  readonly ready: Fifo<MailId>
  /** Ready and resting, the deleted not among them. */
  waiting: number
  state: 'idle' | 'runnable' | 'parked'
  /** The gates it waits at while parked. */
  blockedBy: readonly BackoffKey[]
  /** The gate that let it go; it lets the next go when this one is done. */
  wokenBy: BackoffKey | null
  nextPathIndex: number
}

export type Lane = {
  readonly id: LaneId
  readonly account: number
  readonly domain: string
  readonly streams: Set<MessageStreamId>
  readonly runnable: Fifo<MessageStreamId>
  /** All its mail, in the order in which it is given up, and when the first is looked at; null: there is none. */
  readonly expiryOrder: Fifo<MailId>
  expiryCheckAt: number | null
  /** What it may still send in its turn (deficit round robin). */
  deficit: number
  isInRing: boolean
  waiting: number
  inFlight: number
  /** What was last heard but yes, of whatever class. */
  recentReplies: readonly EvidenceReply[]
  /** When its resting mail is due, soonest first; what no longer rests may still stand in it. */
  readonly retryTimers: Timer[]
  readonly throughput: Throughput
}

/** A manual pause. */
export type ManualPause = { readonly from: number; readonly until: number; readonly onEnd: 'keep' | 'delete' }

export type KeyState = {
  readonly id: BackoffKey
  readonly kind: BackoffKeyKind | null
  readonly episodes: Map<BackoffClassName, BackoffEpisode>
  /** What all episodes together allow. */
  backoffLimits: BackoffLimits
  /** Attempts and accepted mails by width of window. */
  readonly attempts: Map<number, SlidingCount>
  readonly delivered: Map<number, SlidingCount>
  /** Accepted mails of the last hour. */
  accepted: SlidingCount
  bucket: TokenBucket
  pace: AdaptiveRate | null
  /** Connections at once that it has learnt; null: nothing. */
  breadth: ConcurrencyLimit | null
  /** An operator's rate. */
  limit: number | null
  manual: ManualPause | null
  /** When it was held until a person let it go, oldest first; the present hold is not among them. */
  spans: readonly HoldPeriod[]
  /** Mails of a UTC day, for an IP that warms up. */
  warming: { readonly startedAt: number; day: number; sent: number } | null
  /** A network key: failures since the last success, and how many connections were open at the first. */
  failureCohort: { failed: number; readonly size: number } | null
  /** A site's network key: when each of its host sets failed. */
  readonly hostSetFailedAt: Map<BackoffKey, number>
  readonly waitingStreams: Set<MessageStreamId>
  timerAt: number | null
}

export type InFlightAttempt = {
  readonly dispatch: Dispatch
  readonly keys: readonly BackoffKey[]
  readonly stream: MessageStreamId
  readonly lane: LaneId
}

/** What a queue is made from. `pools`: the egress IPs of an account by its number; `*` for all others. */
export type QueueOptions = {
  readonly policy: BackoffPolicy
  readonly retrySchedule?: DeliveryRetrySchedule
  readonly seed: number
  readonly pools: Readonly<Record<string, readonly string[]>>
  /** Most attempts at once from one IP to one site; not given: no limit. */
  readonly connectionsPerSite?: number
  /** Attempts at once altogether, which are shared out (queue/schedule/fair-share); not given: they are not. */
  readonly maxInFlight?: number
}

export type QueueState = {
  readonly policy: BackoffPolicy
  readonly retrySchedule: DeliveryRetrySchedule
  readonly seed: number
  readonly pools: Readonly<Record<string, readonly string[]>>
  /** Null: no limit. */
  readonly connectionsPerSite: number | null
  readonly maxInFlight: number | null
  sequence: number
  readonly entries: Map<MailId, QueueEntry>
  readonly streams: Map<MessageStreamId, MessageStream>
  readonly lanes: Map<LaneId, Lane>
  readonly keyStates: Map<BackoffKey, KeyState>
  readonly inFlightAttempts: Map<number, InFlightAttempt>
  /** Attempts at once that a host set has earned by its answers. */
  readonly hostConcurrency: Map<BackoffKey, number>
  /** Waiting mails by those who share the lines. */
  readonly waitingByHosts: Map<BackoffKey, number>
  readonly waitingByAccount: Map<BackoffKey, number>
  /** Attempts under way by connection and network key, and by who shares the lines. */
  readonly inFlightByKey: Map<BackoffKey, number>
  /** Streams by the name of their site, domain and hosts. */
  readonly streamsByScope: Map<string, Set<MessageStreamId>>
  readonly ring: Fifo<LaneId>
  currentLane: LaneId | null
  /** Gates that may let somebody go. */
  readonly keysToWake: Set<BackoffKey>
  readonly timers: Timer[]
  /** When each IP that warms up began. */
  readonly warmUps: Map<string, number>
  garbageCollectedAt: number
  readonly throughput: Throughput
}

/** The next number. */
export function nextSequenceNumber(queue: QueueState): number {
  queue.sequence += 1
  return queue.sequence
}

/** Nothing waits, nothing is known. */
export function createQueueState(options: QueueOptions, retrySchedule: DeliveryRetrySchedule): QueueState {
  return {
    policy: options.policy,
    retrySchedule,
    seed: options.seed,
    pools: options.pools,
    connectionsPerSite: options.connectionsPerSite ?? null,
    maxInFlight: options.maxInFlight ?? null,
    sequence: 0,
    entries: new Map(),
    streams: new Map(),
    lanes: new Map(),
    keyStates: new Map(),
    inFlightAttempts: new Map(),
    hostConcurrency: new Map(),
    waitingByHosts: new Map(),
    waitingByAccount: new Map(),
    inFlightByKey: new Map(),
    streamsByScope: new Map(),
    ring: emptyFifo(),
    currentLane: null,
    keysToWake: new Set(),
    timers: [],
    warmUps: new Map(),
    garbageCollectedAt: 0,
    throughput: emptyThroughput(),
  }
}

/**
 * queue-state - everything a queue holds: messages, streams, lanes, and what is known about backoff keys
 *
 * A lane is (account, recipient domain): the unit of fairness, and what an operator sees. Inside a lane a stream holds the messages that the
 * same keys cover, whichever egress IP they leave by: one decision serves all of them. A closed stream waits at the keys that close it and
 * is examined again when one of them opens.
 *
 * One mutable value of plain JSON except for Map and Set, whose order matters. Sequence numbers rise and are never reused.
 * See also: queue/queue (its functions), queue/backoff/key-state, queue/schedule/lane, queue/snapshot.
 */
import type { BackoffEpisode, BackoffLimits } from './backoff/backoff-episode.ts'
import type { BackoffClassName } from './backoff/backoff-classes.ts'
import type { BackoffKey, BackoffKeyId, Destination } from './backoff/backoff-key.ts'
import type { ConcurrencyLimit } from './backoff/concurrency-limiter.ts'
import type { BackoffPolicy } from './backoff/policy.ts'
import type { AdaptiveRate, TokenBucket } from './backoff/rate-limiter.ts'
import type { SlidingCount } from './backoff/sliding-count.ts'
import { createEgressPools, type EgressPools, type PooledIp, type PoolRule, type PoolTable } from './egress-pool.ts'
import type { AttemptResult, Dispatch, EvidenceReply, MailId, QueueMessage } from './message.ts'
import { emptyThroughput, type Throughput } from './observe/throughput.ts'
import type { Fifo } from './schedule/fifo.ts'
import type { IdSet } from './id-set.ts'
import type { Ring, ShareHolder } from './schedule/share-holder.ts'
import { emptyShareOrder, type ShareOrder } from './schedule/share-order.ts'
import type { QueueShaping } from './shaping/shaping-table.ts'
import type { DeliveryRetrySchedule } from './schedule/retry.ts'
import type { Timer } from './schedule/timer-heap.ts'

type LaneId = string
type MessageStreamId = string

/** A message and its state. `ready`: in the FIFO of its stream; `deferred`: until `dueAt`; `in-flight`: dispatched. */
export type QueueEntry = {
  message: QueueMessage
  stream: MessageStreamId
  state: 'ready' | 'deferred' | 'in-flight'
  attempts: number
  dueAt: number
  lastResult: AttemptResult | null
  /** Egress IPs from which this message was refused. */
  refusedBy: readonly string[]
}

/** One egress IP of a stream, and the keys that it adds. */
export type EgressPath = { readonly egressIp: string; readonly keys: readonly BackoffKeyId[] }

/** The keys of a stream: those that cover it whichever egress IP is used, those of each egress IP, and the holders of its connection slots. */
export type StreamRoute = {
  readonly keys: readonly BackoffKeyId[]
  readonly egressPaths: readonly EgressPath[]
  readonly fairShareKeys: FairShareKeys
}

/** The holders of connection slots that a stream counts for (queue/schedule/fair-share). */
export type FairShareKeys = { readonly hosts: BackoffKeyId; readonly account: BackoffKeyId; readonly unproven: BackoffKeyId }

export type MessageStream = {
  readonly id: MessageStreamId
  readonly lane: LaneId
  readonly destination: Destination
  /** The label that all its messages have, if a person paused that label; null: messages with any label and without one. */
  readonly label: number | null
  readonly isBatch: boolean
  /** Its egress IPs, each with its place in the rotation (queue/schedule/egress-rotation). */
  readonly egressIps: readonly PooledIp[]
  /** Whether its pool has one egress IP only. */
  readonly isOnlyIp: boolean
  /** Null while nobody needs it: most streams are idle, and their keys take more memory than all else (queue/stream-route). */
  route: StreamRoute | null
  ready: Fifo<MailId> | null
  /** Ready and deferred messages, without the deleted ones. */
  waiting: number
  state: 'idle' | 'runnable' | 'parked'
  /** The keys at which it waits while parked. */
  blockedBy: readonly BackoffKeyId[]
  /** The key with a limited budget that woke it. As long as it does not stop, it sends one message a round, and so shares the budget. */
  wokenBy: BackoffKeyId | null
}

/** Streams by receiving site, recipient domain, MX hosts and account. */
export type StreamScopes = Readonly<Record<'site' | 'domain' | 'hosts' | 'account', Map<string, IdSet>>>

/** A lane is the holder of the shares of its transactional messages; that of its batch messages is in `batchHolders`. */
export type Lane = ShareHolder & {
  readonly account: number
  readonly domain: string
  streams: IdSet
  /** All its messages in the order in which they expire, and when the first is checked; null: there is none. */
  expiryOrder: Fifo<MailId> | null
  expiryCheckAt: number | null
  waiting: number
  inFlight: number
  /** The latest replies other than 2xx, of any class. */
  recentReplies: readonly EvidenceReply[]
  /** When its deferred messages are due, soonest first. May hold entries that are no longer deferred. Null: there is none. */
  retryTimers: Timer[] | null
  throughput: Throughput
}

export type ManualPause = { readonly from: number; readonly until: number; readonly onEnd: 'keep' | 'delete' }

/** A time in which only a person could release a key, in epoch milliseconds. */
export type HoldPeriod = { readonly from: number; readonly until: number }

/** The streams that wait at a key by lane and class, the order of the lanes of each class, and the woken streams that have not sent yet. */
export type WaitingLine = {
  readonly streams: Map<string, MessageStreamId[]>
  readonly lanes: ShareOrder
  /** Null: no batch messages have waited here. */
  batchLanes: ShareOrder | null
  readonly woken: Set<MessageStreamId>
  /** How many of the woken streams are of batch messages. */
  wokenBatch: number
  /** What is owed to batch here (queue/schedule/mail-class). */
  owedToBatch: number
}

export type KeyState = {
  readonly id: BackoffKeyId
  /** Null: a stored form that this version does not know. */
  readonly key: BackoffKey | null
  /** Changed by `putEpisode` alone. */
  episodes: ReadonlyMap<BackoffClassName, BackoffEpisode>
  /** What all episodes together allow. */
  backoffLimits: BackoffLimits
  /** Attempts, and for the key of an account accepted messages of a day; one count for each width of window. */
  attempts: readonly SlidingCount[]
  delivered: readonly SlidingCount[]
  /** Accepted messages of the last hour. */
  accepted: SlidingCount
  bucket: TokenBucket
  learnedRate: AdaptiveRate | null
  /** The simultaneous connections that it has learnt; null: nothing learnt. */
  learnedConcurrency: ConcurrencyLimit | null
  /** A rate that an operator set, in messages a minute. */
  operatorRate: number | null
  manualPause: ManualPause | null
  /** The past holds of this key, oldest first, without the present one. */
  holdPeriods: readonly HoldPeriod[]
  /** Messages of a UTC day, for an IP that warms up. */
  warmUp: { readonly startedAt: number; day: number; sent: number } | null
  /** For a network key: the failures since the last success, and how many connections were open at the first. */
  failureCohort: { failed: number; readonly size: number } | null
  /** When its members failed last: the host sets of a site, the egress IPs of a host set, the host sets to which an egress IP had no route. Null: none failed. */
  failedAt: Map<string, number> | null
  /** The streams that wait here; null: none has waited since the state was created. */
  line: WaitingLine | null
  timerAt: number | null
}

/**
 * An accepted message at a site whose keys have no states yet (queue/clean-attempts). The keys of a gateway cover many domains and get their states at once:
 * its messages are kept for the sender domain alone.
 */
export type CleanAttempt = {
  readonly at: number
  /** Null: forgotten. */
  readonly senderDomain: string | null
  /** Null: forgotten, or at a gateway. */
  readonly egressIp: string | null
  /** Whether a message of the sender domain, and one by the egress IP, was dispatched since: it took the first token of their keys. */
  isSenderFollowed: boolean
  isIpFollowed: boolean
  readonly before: CleanAttempt | null
}

export type InFlightAttempt = {
  readonly dispatch: Dispatch
  readonly keys: readonly BackoffKeyId[]
  /** Those of them whose attempts in flight are counted. */
  readonly countedKeys: readonly BackoffKeyId[]
  readonly stream: MessageStreamId
  readonly lane: LaneId
  /** The site of the host that answered, if it is not that of the dispatch. `isCounted` false: another node has its keys, and counts the result. */
  readonly answeredBy?: { readonly site: string; readonly gateway: boolean; readonly isCounted: boolean }
}

/** What a queue is made from. */
export type QueueOptions = {
  readonly policy: BackoffPolicy
  readonly retrySchedule?: DeliveryRetrySchedule
  readonly seed: number
  readonly pools: PoolTable
  readonly poolRules?: readonly PoolRule[]
  /** The most simultaneous attempts from one IP to one site; absent: no limit. */
  readonly connectionsPerSite?: number
  /** The most simultaneous attempts in all, shared out by queue/schedule/fair-share; absent: not shared out. */
  readonly maxInFlight?: number
  /** The limits of receiving sites; absent: none. */
  readonly shaping?: QueueShaping
  /** False: another MTA keeps the messages, and how many wait or are in flight is not known (queue/advice). True by default. */
  readonly keepsMessages?: boolean
}

export type QueueState = {
  readonly policy: BackoffPolicy
  readonly retrySchedule: DeliveryRetrySchedule
  readonly seed: number
  readonly pools: EgressPools
  /** Null: no limit. */
  readonly connectionsPerSite: number | null
  readonly maxInFlight: number | null
  /** Null: no site has limits. Changed by queue/shaping/reshape alone. */
  shaping: QueueShaping | null
  readonly keepsMessages: boolean
  sequence: number
  readonly entries: Map<MailId, QueueEntry>
  /** Messages before their send time: in no stream and no lane (queue/schedule/send-time). */
  readonly scheduled: Map<MailId, QueueMessage>
  readonly streams: Map<MessageStreamId, MessageStream>
  readonly lanes: Map<LaneId, Lane>
  readonly keyStates: Map<BackoffKeyId, KeyState>
  /** The latest accepted message at each site whose keys have no states yet. */
  readonly cleanAttempts: Map<string, CleanAttempt>
  /** Idle streams that keep their routes; the one that became idle first is the first (queue/stream-route). */
  readonly idleRoutes: Set<MessageStream>
  readonly inFlightAttempts: Map<number, InFlightAttempt>
  /** Simultaneous attempts that a host set has earned by its replies. Its name is the MX hosts, as keys contain them. */
  readonly hostConcurrency: Map<string, number>
  /** Waiting messages by holder of connection slots. */
  readonly waitingByHosts: Map<BackoffKeyId, number>
  readonly waitingByAccount: Map<BackoffKeyId, number>
  /** Attempts in flight by connection key, network key and holder of connection slots. */
  readonly inFlightByKey: Map<BackoffKeyId, number>
  /** Streams by scope (queue/backoff/key-scope). */
  readonly streamsByScope: StreamScopes
  /** The lanes that may have transactional messages to send. */
  readonly ring: Ring
  /** The same for batch messages, and the holders of their shares by lane. */
  readonly batchRing: Ring
  readonly batchHolders: Map<LaneId, ShareHolder>
  /** What is owed to batch in the ring (queue/schedule/mail-class). */
  owedToBatch: number
  /** The number of the last share of any lane. */
  shares: number
  /** The keys that have an episode that probes. */
  readonly probingKeys: Set<BackoffKeyId>
  /** Keys that may have opened. */
  readonly keysToWake: Set<BackoffKeyId>
  readonly timers: Timer[]
  /** The keys of the labels that are paused now. */
  readonly labelPauses: Set<BackoffKeyId>
  /** When the warm-up of each egress IP began. */
  readonly warmUps: Map<string, number>
  garbageCollectedAt: number
  throughput: Throughput
}

/** The next sequence number. */
export function nextSequenceNumber(queue: QueueState): number {
  queue.sequence += 1
  return queue.sequence
}

/** An empty queue that knows nothing about any key. */
export function createQueueState(options: QueueOptions, retrySchedule: DeliveryRetrySchedule): QueueState {
  return {
    policy: options.policy,
    retrySchedule,
    seed: options.seed,
    pools: createEgressPools(options.pools, options.poolRules),
    connectionsPerSite: options.connectionsPerSite ?? null,
    maxInFlight: options.maxInFlight ?? null,
    shaping: options.shaping ?? null,
    keepsMessages: options.keepsMessages ?? true,
    sequence: 0,
    entries: new Map(),
    scheduled: new Map(),
    streams: new Map(),
    lanes: new Map(),
    keyStates: new Map(),
    cleanAttempts: new Map(),
    idleRoutes: new Set(),
    inFlightAttempts: new Map(),
    hostConcurrency: new Map(),
    waitingByHosts: new Map(),
    waitingByAccount: new Map(),
    inFlightByKey: new Map(),
    streamsByScope: { site: new Map(), domain: new Map(), hosts: new Map(), account: new Map() },
    ring: { order: emptyShareOrder(), current: null },
    batchRing: { order: emptyShareOrder(), current: null },
    batchHolders: new Map(),
    owedToBatch: 0,
    shares: 0,
    probingKeys: new Set(),
    keysToWake: new Set(),
    timers: [],
    labelPauses: new Set(),
    warmUps: new Map(),
    garbageCollectedAt: 0,
    throughput: emptyThroughput(),
  }
}

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
import type { Breadth } from './backoff/concurrency-limiter.ts'
import type { Span } from './schedule/hold-time.ts'
import type { Episode, Opening } from './backoff/backoff-episode.ts'
import { emptyFifo, type Fifo } from './schedule/fifo.ts'
import type { Destination, KeyId, KeyKind } from './backoff/backoff-key.ts'
import type { Answer, Dispatch, EvidenceReply, Mail, MailId } from './message.ts'
import type { Bucket, Pace } from './backoff/rate-limiter.ts'
import type { ClassName } from './backoff/backoff-classes.ts'
import type { Policy } from './backoff/policy.ts'
import { emptyRates, type Rates } from './observe/throughput.ts'
import type { RetryLadder } from './schedule/retry.ts'
import type { Sharers } from './schedule/fair-share.ts'
import type { Tally } from './backoff/sliding-count.ts'
import type { Timer } from './schedule/timer-heap.ts'

export type LaneId = string
export type StreamId = string

/** A mail and where it stands. `ready`: in the line of its stream; `resting`: until `dueAt`; `flight`: handed out. */
export type Held = {
  mail: Mail
  stream: StreamId
  place: 'ready' | 'resting' | 'flight'
  attempts: number
  dueAt: number
  last: Answer | null
  /** IPs that this mail was refused from. */
  refusedBy: readonly string[]
}

/** One way out of a stream. */
export type Way = { readonly egressIp: string; readonly keys: readonly KeyId[] }

export type Stream = {
  readonly id: StreamId
  readonly lane: LaneId
  readonly to: Destination
  /** Keys that cover it by any way. */
  readonly keys: readonly KeyId[]
  readonly ways: readonly Way[]
  readonly sharers: Sharers
  readonly ready: Fifo<MailId>
  /** Ready and resting, the deleted not among them. */
  waiting: number
  place: 'idle' | 'runnable' | 'parked'
  /** The gates it waits at while parked. */
  waitsAt: readonly KeyId[]
  /** The gate that let it go; it lets the next go when this one is done. */
  wokenBy: KeyId | null
  nextWay: number
}

export type Lane = {
  readonly id: LaneId
  readonly account: number
  readonly domain: string
  readonly streams: Set<StreamId>
  readonly runnable: Fifo<StreamId>
  /** All its mail, in the order in which it is given up, and when the first is looked at; null: there is none. */
  readonly oldest: Fifo<MailId>
  lookAt: number | null
  /** What it may still send in its turn (deficit round robin). */
  deficit: number
  isInRing: boolean
  waiting: number
  inFlight: number
  /** What was last heard but yes, of whatever class. */
  heard: readonly EvidenceReply[]
  /** When its resting mail is due, soonest first; what no longer rests may still stand in it. */
  readonly rests: Timer[]
  readonly rates: Rates
}

/** A manual pause. */
export type Manual = { readonly from: number; readonly until: number; readonly onEnd: 'keep' | 'delete' }

export type Gate = {
  readonly id: KeyId
  readonly kind: KeyKind | null
  readonly episodes: Map<ClassName, Episode>
  /** What all episodes together allow. */
  opening: Opening
  /** Attempts and accepted mails by width of window. */
  readonly attempts: Map<number, Tally>
  readonly delivered: Map<number, Tally>
  /** Accepted mails of the last hour. */
  accepted: Tally
  bucket: Bucket
  pace: Pace | null
  /** Connections at once that it has learnt; null: nothing. */
  breadth: Breadth | null
  /** An operator's rate. */
  limit: number | null
  manual: Manual | null
  /** When it was held until a person let it go, oldest first; the present hold is not among them. */
  spans: readonly Span[]
  /** Mails of a UTC day, for an IP that warms up. */
  warming: { readonly startedAt: number; day: number; sent: number } | null
  /** A network key: failures since the last success, and how many connections were open at the first. */
  suspect: { failed: number; readonly cohort: number } | null
  /** A site's network key: when each of its host sets failed. */
  readonly failedAt: Map<KeyId, number>
  readonly waiters: Set<StreamId>
  timerAt: number | null
}

export type Flight = {
  readonly dispatch: Dispatch
  readonly keys: readonly KeyId[]
  readonly stream: StreamId
  readonly lane: LaneId
}

/** What a queue is made from. `pools`: the egress IPs of an account by its number; `*` for all others. */
export type QueueOptions = {
  readonly policy: Policy
  readonly retry?: RetryLadder
  readonly seed: number
  readonly pools: Readonly<Record<string, readonly string[]>>
  /** Most attempts at once from one IP to one site; not given: no limit. */
  readonly connections?: number
  /** Attempts at once altogether, which are shared out (queue/schedule/fair-share); not given: they are not. */
  readonly lines?: number
}

export type Stock = {
  readonly policy: Policy
  readonly retry: RetryLadder
  readonly seed: number
  readonly pools: Readonly<Record<string, readonly string[]>>
  /** Null: no limit. */
  readonly connections: number | null
  readonly lines: number | null
  sequence: number
  readonly mails: Map<MailId, Held>
  readonly streams: Map<StreamId, Stream>
  readonly lanes: Map<LaneId, Lane>
  readonly gates: Map<KeyId, Gate>
  readonly flights: Map<number, Flight>
  /** Attempts at once that a host set has earned by its answers. */
  readonly rooms: Map<KeyId, number>
  /** Waiting mails by those who share the lines. */
  readonly waitingHosts: Map<KeyId, number>
  readonly waitingAccounts: Map<KeyId, number>
  /** Attempts under way by connection and network key, and by who shares the lines. */
  readonly inFlight: Map<KeyId, number>
  /** Streams by the name of their site, domain and hosts. */
  readonly covers: Map<string, Set<StreamId>>
  readonly ring: Fifo<LaneId>
  current: LaneId | null
  /** Gates that may let somebody go. */
  readonly hot: Set<KeyId>
  readonly timers: Timer[]
  /** When each IP that warms up began. */
  readonly warmUps: Map<string, number>
  sweptAt: number
  readonly rates: Rates
}

/** The next number. */
export function nextNumber(queue: Stock): number {
  queue.sequence += 1
  return queue.sequence
}

/** Nothing waits, nothing is known. */
export function emptyStock(options: QueueOptions, retry: RetryLadder): Stock {
  return {
    policy: options.policy,
    retry,
    seed: options.seed,
    pools: options.pools,
    connections: options.connections ?? null,
    lines: options.lines ?? null,
    sequence: 0,
    mails: new Map(),
    streams: new Map(),
    lanes: new Map(),
    gates: new Map(),
    flights: new Map(),
    rooms: new Map(),
    waitingHosts: new Map(),
    waitingAccounts: new Map(),
    inFlight: new Map(),
    covers: new Map(),
    ring: emptyFifo(),
    current: null,
    hot: new Set(),
    timers: [],
    warmUps: new Map(),
    sweptAt: 0,
    rates: emptyRates(),
  }
}

/**
 * lane - moves messages into streams, streams into lanes, and lanes into the ring
 *
 * A lane with something to send is in the ring once. A stream is idle (nothing ready), runnable (in the FIFO of its lane) or parked (at the
 * keys that close it). Every move is O(1) in the number of messages. Mutates the queue.
 *
 * See also: queue/queue-state (the types), queue/schedule/dispatch (takes from the ring).
 */
import { Fault } from '../../errors.ts'
import { appended, sizeOf } from './fifo.ts'
import { getOrCreateKeyState, advanceKeyState, setKeyTimer } from '../backoff/key-state.ts'
import { findBlockingKey } from '../observe/blocking-key.ts'
import { BACKOFF_KEYS, type BackoffKeyId, type Destination, labelKeys } from '../backoff/backoff-key.ts'
import { registerStream, unregisterStream } from '../backoff/key-scope.ts'
import { type EgressPool, type PooledIp, poolOf, type PoolSelector } from '../egress-pool.ts'
import type { EvidenceReply, FinalOutcome, QueueEvent, QueueMessage } from '../message.ts'
import { emptyThroughput } from '../observe/throughput.ts'
import { adjustWaitingShares } from './fair-share.ts'
import { withId, withoutId } from '../id-set.ts'
import { keepIdleRoute, routeOf } from '../stream-route.ts'
import { type KeyState, type QueueEntry, type Lane, nextSequenceNumber, type QueueState, type MessageStream } from '../queue-state.ts'
import { rotationOrderOf, advanceRotation } from './egress-rotation.ts'
import { popTimer, pushTimer, type Timer } from './timer-heap.ts'
import { holderOf, joinRing, newShareHolder, returnShare } from './lane-shares.ts'
import { addWaitingStream, endWake, wakeFromKeys } from './waiting-streams.ts'

/** Shared by the lanes and streams that have none. */
const NO_REPLIES: readonly EvidenceReply[] = []
const NO_KEYS: readonly BackoffKeyId[] = []

type LabelledDestination = Destination & PoolSelector & Pick<QueueMessage, 'label' | 'isBatch'>

/** A label can give messages to one destination different pools, and a pause of its own. */
function streamIdOf(to: LabelledDestination, pool: EgressPool, refusedBy: readonly string[], label: number | null): string {
  const site = to.site === to.domain ? '' : to.site
  const id = [to.account, to.domain, to.senderDomain, site, to.mxSet, pool.name, ...refusedBy].join('|')
  const ofClass = to.isBatch === true ? `${id}|batch` : id
  return label === null ? ofClass : `${ofClass}|label ${label}`
}

/** The label of a message if a person paused it, so that its messages need a stream of their own; else null. */
const separateLabelOf = ({ keyStates }: QueueState, to: LabelledDestination): number | null =>
  to.label !== undefined && labelKeys(to).some((key) => keyStates.has(key)) ? to.label : null

/** The lane of a destination, created where there is none. */
export function getOrCreateLane(queue: QueueState, to: Pick<Destination, 'account' | 'domain'>): Lane {
  const id = BACKOFF_KEYS.lane(to)
  const known = queue.lanes.get(id)
  if (known !== undefined) return known
  const lane: Lane = {
    ...newShareHolder(queue, id, false),
    account: to.account,
    domain: to.domain,
    streams: null,
    expiryOrder: null,
    expiryCheckAt: null,
    waiting: 0,
    inFlight: 0,
    recentReplies: NO_REPLIES,
    retryTimers: null,
    throughput: emptyThroughput(),
  }
  queue.lanes.set(id, lane)
  return lane
}

/** The stream for a message and the egress IPs that were refused there, created where there is none. Fault `config_invalid`. */
export function getOrCreateStream(queue: QueueState, to: LabelledDestination, refusedBy: readonly string[]): MessageStream {
  const pool = poolOf(queue.pools, to)
  const separateLabel = separateLabelOf(queue, to)
  const id = streamIdOf(to, pool, refusedBy, separateLabel)
  const known = queue.streams.get(id)
  if (known !== undefined) return known
  if (pool.ips.length === 0) throw new Fault('config_invalid', `account ${to.account} has no egress IP; name one in its pool, or under "*"`)
  const { account, domain, senderDomain, site, gateway, mxSet } = to
  const plain: Destination = { account, domain, senderDomain, site, gateway, mxSet }
  const lane = getOrCreateLane(queue, to)
  const stream: MessageStream = {
    id,
    lane: lane.id,
    destination: plain,
    label: separateLabel,
    isBatch: to.isBatch === true,
    egressIps: egressIpsOf(pool, refusedBy),
    isOnlyIp: pool.ips.length === 1,
    route: null,
    ready: null,
    waiting: 0,
    state: 'idle',
    blockedBy: NO_KEYS,
    wokenBy: null,
  }
  queue.streams.set(id, stream)
  lane.streams = withId(lane.streams, id)
  if (stream.isBatch && !queue.batchHolders.has(lane.id)) queue.batchHolders.set(lane.id, newShareHolder(queue, lane.id, true))
  registerStream(queue, stream)
  return stream
}

/**
 * The egress IPs of a new stream. Its rotation begins where that of the pool stands, which then advances by one: otherwise the first IP would send all
 * mail to domains that get one message.
 */
function egressIpsOf({ ips }: EgressPool, refusedBy: readonly string[]): readonly PooledIp[] {
  // There is no rotation among one.
  if (ips.length === 1) return ips
  const left = ips.filter(({ ip }) => !refusedBy.includes(ip))
  const used = left.length === 0 ? ips : left
  const places = used.map((place) => ({ ...place }))
  const [first] = rotationOrderOf(ips)
  if (first !== undefined && used.length === ips.length) advanceRotation(ips, first, [])
  return places
}

/** Drops an empty stream. */
export function dropStream(queue: QueueState, stream: MessageStream): void {
  queue.streams.delete(stream.id)
  const lane = queue.lanes.get(stream.lane)
  if (lane !== undefined) lane.streams = withoutId(lane.streams, stream.id)
  unregisterStream(queue, stream)
}

/** Puts a stream into the FIFO of its lane, and the lane into the ring. */
function makeRunnable(queue: QueueState, stream: MessageStream): void {
  const holder = holderOf(queue, stream)
  if (holder === undefined || stream.state === 'runnable') return
  stream.state = 'runnable'
  holder.runnable = appended(holder.runnable, stream.id)
  if (holder.isInRing) return
  holder.isInRing = true
  joinRing(queue, holder)
}

/** Puts a message into the FIFO of its stream. */
export function makeReady(queue: QueueState, entry: QueueEntry): void {
  const stream = queue.streams.get(entry.stream)
  if (stream === undefined) return
  entry.state = 'ready'
  stream.ready = appended(stream.ready, entry.message.id)
  if (stream.state === 'idle') makeRunnable(queue, stream)
}

/** Sets the timer of a deferred message. */
export function deferUntilDue(queue: QueueState, entry: QueueEntry): void {
  const timer: Timer = { at: entry.dueAt, order: nextSequenceNumber(queue), kind: 'message', id: entry.message.id }
  pushTimer(queue.timers, timer)
  const lane = queue.lanes.get(queue.streams.get(entry.stream)?.lane ?? '')
  if (lane === undefined) return
  nextRetryAt(queue, lane)
  if (lane.retryTimers === null) lane.retryTimers = [timer]
  else pushTimer(lane.retryTimers, timer)
}

/** When the first deferred message of a lane is due; null: there is none. Drops timers that no longer hold. */
export function nextRetryAt({ entries }: QueueState, lane: Lane): number | null {
  const { retryTimers } = lane
  if (retryTimers === null) return null
  for (let next = retryTimers[0]; next !== undefined; next = retryTimers[0]) {
    const entry = entries.get(next.id)
    if (entry !== undefined && entry.state === 'deferred' && entry.dueAt === next.at) return next.at
    popTimer(retryTimers)
  }
  lane.retryTimers = null
  return null
}

/** Counts one more, or one fewer, waiting message in a stream. */
export function adjustWaiting(queue: QueueState, stream: MessageStream, n: 1 | -1): void {
  stream.waiting += n
  adjustWaitingShares(queue, stream, n)
  const lane = queue.lanes.get(stream.lane)
  if (lane !== undefined) lane.waiting += n
}

/** Takes a stream out of the FIFO and lets it wait at the keys that close it. */
export function parkStream(queue: QueueState, stream: MessageStream, keys: readonly BackoffKeyId[], now: number): void {
  deactivateStream(queue, stream, 'parked')
  stream.blockedBy = keys
  for (const key of keys) {
    const keyState = getOrCreateKeyState(queue, key, now)
    addWaitingStream(queue, keyState, stream)
    setKeyTimer(queue, keyState, now)
  }
}

/** Takes a stream out of the FIFO, and ends its turn at the key that woke it. */
export function deactivateStream(queue: QueueState, stream: MessageStream, state: 'idle' | 'parked'): void {
  stream.state = state
  if (endWake(queue, stream)) returnShare(holderOf(queue, stream))
  stream.wokenBy = null
  if (state !== 'idle') return
  if (stream.route !== null) keepIdleRoute(queue, stream)
  if (sizeOf(stream.ready) === 0) stream.ready = null
}

/** Wakes a stream that waited at a key. `isCounted`: the key has a limited budget. */
export function wakeStream(queue: QueueState, stream: MessageStream, by: KeyState, isCounted: boolean): void {
  wakeFromKeys(queue, stream, by, isCounted)
  if (sizeOf(stream.ready) > 0) makeRunnable(queue, stream)
  else deactivateStream(queue, stream, 'idle')
}

/** Advances the probes that counted on a stream in which nothing waits any more. */
export function advanceProbes(queue: QueueState, stream: MessageStream, now: number): QueueEvent[] {
  if (stream.waiting > 0 || queue.probingKeys.size === 0) return []
  const { keys, egressPaths } = routeOf(queue, stream)
  return [...keys, ...egressPaths.flatMap((egressPath) => egressPath.keys)].flatMap((key) => {
    const keyState = queue.probingKeys.has(key) ? queue.keyStates.get(key) : undefined
    return keyState !== undefined ? advanceKeyState(queue, keyState, now) : []
  })
}

/** Removes a message from the queue. */
export function removeFromQueue(queue: QueueState, entry: QueueEntry, end: FinalOutcome, now: number): QueueEvent[] {
  queue.entries.delete(entry.message.id)
  const stream = queue.streams.get(entry.stream)
  const { attempts, lastResult: last } = entry
  const blockingKey = end === 'given-up' && last === null && stream !== undefined ? findBlockingKey(queue, stream, now) : null
  const event: QueueEvent = { kind: 'mail.ended', at: now, mailId: entry.message.id, end, attempts, last, blockingKey }
  const isWaiting = stream !== undefined && entry.state !== 'in-flight'
  if (isWaiting) adjustWaiting(queue, stream, -1)
  const lane = queue.lanes.get(BACKOFF_KEYS.lane(entry.message))
  if (lane !== undefined && lane.waiting + lane.inFlight === 0) lane.expiryOrder = null
  return isWaiting ? [event, ...advanceProbes(queue, stream, now)] : [event]
}

/**
 * lane - moves messages into streams, streams into lanes, and lanes into the ring
 *
 * A lane with something to send is in the ring once. A stream is idle (nothing ready), runnable (in the FIFO of its lane) or parked (at the
 * keys that close it). Every move is O(1) in the number of messages. Mutates the queue.
 *
 * See also: queue/queue-state (the types), queue/schedule/dispatch (takes from the ring).
 */
import { Fault } from '../../errors.ts'
import { emptyFifo, push, sizeOf } from './fifo.ts'
import { getOrCreateKeyState, advanceKeyState, setKeyTimer } from '../backoff/key-state.ts'
import { findBlockingKey } from '../observe/blocking-key.ts'
import { BACKOFF_KEYS, type BackoffKeyId, type Destination, egressKeys, labelKeys } from '../backoff/backoff-key.ts'
import { scopesOf } from '../backoff/key-scope.ts'
import { type EgressPool, poolOf, type PoolSelector } from '../egress-pool.ts'
import { streamKeysOf } from '../shaping/reshape.ts'
import type { FinalOutcome, QueueEvent } from '../message.ts'
import { emptyThroughput } from '../observe/throughput.ts'
import { adjustWaitingShares, fairShareKeysOf } from './fair-share.ts'
import {
  type KeyState,
  type QueueEntry,
  type Lane,
  nextSequenceNumber,
  type QueueState,
  type MessageStream,
  type EgressPath,
} from '../queue-state.ts'
import { rotationOrderOf, advanceRotation } from './egress-rotation.ts'
import { popTimer, pushTimer, type Timer } from './timer-heap.ts'
import { joinRing, returnShare } from './lane-shares.ts'
import { addWaitingStream, endWake, wakeFromKeys } from './waiting-streams.ts'

type LabelledDestination = Destination & PoolSelector & { readonly label?: number }

/** A label can give messages to one destination different pools, and a pause of its own. */
function streamIdOf(to: Destination, pool: EgressPool, refusedBy: readonly string[], label: number | null): string {
  const id = [to.account, to.domain, to.senderDomain, to.site, to.mxSet, pool.name, ...refusedBy].join('|')
  return label === null ? id : `${id}|label ${label}`
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
    id,
    account: to.account,
    domain: to.domain,
    streams: new Set(),
    runnable: emptyFifo(),
    expiryOrder: emptyFifo(),
    expiryCheckAt: null,
    deficit: 0,
    isInRing: false,
    lastShare: queue.shares,
    grantedShares: [],
    waiting: 0,
    inFlight: 0,
    recentReplies: [],
    retryTimers: [],
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
    keys: streamKeysOf(queue, plain, separateLabel),
    egressPaths: egressPathsOf(plain, pool, refusedBy),
    fairShareKeys: fairShareKeysOf(plain),
    ready: emptyFifo(),
    waiting: 0,
    state: 'idle',
    blockedBy: [],
    wokenBy: null,
  }
  queue.streams.set(id, stream)
  lane.streams.add(id)
  for (const name of scopesOf(plain)) {
    const streams = queue.streamsByScope.get(name)
    if (streams === undefined) queue.streamsByScope.set(name, new Set([id]))
    else streams.add(id)
  }
  return stream
}

/**
 * The egress IPs of a new stream. Its rotation begins where that of the pool stands, which then advances by one: otherwise the first IP would send all
 * mail to domains that get one message.
 */
function egressPathsOf(to: Destination, { ips }: EgressPool, refusedBy: readonly string[]): readonly EgressPath[] {
  const left = ips.filter(({ ip }) => !refusedBy.includes(ip))
  const used = left.length === 0 ? ips : left
  const paths = used.map(({ ip: egressIp, weight, credit }) => {
    return { egressIp, keys: egressKeys({ ...to, egressIp }, ips.length === 1), weight, credit }
  })
  const [first] = rotationOrderOf(ips)
  if (first !== undefined && used.length === ips.length) advanceRotation(ips, first, [])
  return paths
}

/** Drops an empty stream. */
export function dropStream(queue: QueueState, stream: MessageStream): void {
  queue.streams.delete(stream.id)
  queue.lanes.get(stream.lane)?.streams.delete(stream.id)
  for (const name of scopesOf(stream.destination)) {
    const streams = queue.streamsByScope.get(name)
    streams?.delete(stream.id)
    if (streams?.size === 0) queue.streamsByScope.delete(name)
  }
}

/** Puts a stream into the FIFO of its lane, and the lane into the ring. */
function makeRunnable(queue: QueueState, stream: MessageStream): void {
  const lane = queue.lanes.get(stream.lane)
  if (lane === undefined || stream.state === 'runnable') return
  stream.state = 'runnable'
  push(lane.runnable, stream.id)
  if (lane.isInRing) return
  lane.isInRing = true
  joinRing(queue, lane)
}

/** Puts a message into the FIFO of its stream. */
export function makeReady(queue: QueueState, entry: QueueEntry): void {
  const stream = queue.streams.get(entry.stream)
  if (stream === undefined) return
  entry.state = 'ready'
  push(stream.ready, entry.message.id)
  if (stream.state === 'idle') makeRunnable(queue, stream)
}

/** Sets the timer of a deferred message. */
export function deferUntilDue(queue: QueueState, entry: QueueEntry): void {
  const timer: Timer = { at: entry.dueAt, order: nextSequenceNumber(queue), kind: 'message', id: entry.message.id }
  pushTimer(queue.timers, timer)
  const lane = queue.lanes.get(queue.streams.get(entry.stream)?.lane ?? '')
  if (lane === undefined) return
  nextRetryAt(queue, lane)
  pushTimer(lane.retryTimers, timer)
}

/** When the first deferred message of a lane is due; null: there is none. Drops timers that no longer hold. */
export function nextRetryAt({ entries }: QueueState, { retryTimers }: Lane): number | null {
  for (let next = retryTimers[0]; next !== undefined; next = retryTimers[0]) {
    const entry = entries.get(next.id)
    if (entry !== undefined && entry.state === 'deferred' && entry.dueAt === next.at) return next.at
    popTimer(retryTimers)
  }
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
  if (endWake(queue, stream)) returnShare(queue.lanes.get(stream.lane))
  stream.wokenBy = null
}

/** Wakes a stream that waited at a key. `isCounted`: the key has a limited budget. */
export function wakeStream(queue: QueueState, stream: MessageStream, by: KeyState, isCounted: boolean): void {
  wakeFromKeys(queue, stream, by, isCounted)
  if (sizeOf(stream.ready) > 0) makeRunnable(queue, stream)
  else deactivateStream(queue, stream, 'idle')
}

/** Advances the probes that counted on a stream in which nothing waits any more. */
export function advanceProbes(queue: QueueState, stream: MessageStream, now: number): QueueEvent[] {
  if (stream.waiting > 0) return []
  const keys = [...stream.keys, ...stream.egressPaths.flatMap((egressPath) => egressPath.keys)]
  return keys.flatMap((key) => {
    const keyState = queue.keyStates.get(key)
    const isProbed = keyState !== undefined && [...keyState.episodes.values()].some(({ state }) => state === 'probing')
    return isProbed ? advanceKeyState(queue, keyState, now) : []
  })
}

/** Removes a message from the queue. */
export function removeFromQueue(queue: QueueState, entry: QueueEntry, end: FinalOutcome, now: number): QueueEvent[] {
  queue.entries.delete(entry.message.id)
  const stream = queue.streams.get(entry.stream)
  const { attempts, lastResult: last } = entry
  const blockingKey = end === 'given-up' && last === null && stream !== undefined ? findBlockingKey(queue, stream, now) : null
  const event: QueueEvent = { kind: 'mail.ended', at: now, mailId: entry.message.id, end, attempts, last, blockingKey }
  if (stream === undefined || entry.state === 'in-flight') return [event]
  adjustWaiting(queue, stream, -1)
  return [event, ...advanceProbes(queue, stream, now)]
}

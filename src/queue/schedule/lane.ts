/**
 * lane - mails in their streams, streams in their lanes, lanes in the ring
 *
 * A lane with something to send stands once in the ring. A stream is idle (nothing ready), runnable (in its lane's line) or parked (at the
 * gates that shut it out). Every move here is O(1) in the number of mails. Mutates the stock that it is given.
 *
 * See also: queue/queue-state (the shapes), queue/schedule/dispatch (who takes from the ring).
 */
import { Fault } from '../../errors.ts'
import { emptyFifo, push, sizeOf } from './fifo.ts'
import { getOrCreateKeyState, advanceKeyState, setKeyTimer } from '../backoff/key-state.ts'
import { findBlockingKey } from '../observe/blocking-key.ts'
import { destinationKeys, egressKeys, BACKOFF_KEYS, type BackoffKey } from '../backoff/backoff-key.ts'
import type { Destination, BackoffKey as Key } from '../backoff/backoff-key.ts'
import type { FinalOutcome, QueueEvent } from '../message.ts'
import { emptyThroughput } from '../observe/throughput.ts'
import { adjustWaitingShares, fairShareKeysOf } from './fair-share.ts'
import { type QueueEntry, type Lane, nextSequenceNumber, type QueueState, type MessageStream, type EgressPath } from '../queue-state.ts'
import { pushTimer, popTimer } from './timer-heap.ts'

const laneIdOf = (to: Pick<Destination, 'account' | 'domain'>): string => BACKOFF_KEYS.lane(to)

function streamIdOf(to: Destination, refusedBy: readonly string[]): string {
  return [to.account, to.domain, to.senderDomain, to.site, to.mxSet, ...refusedBy].join('|')
}

/** The egress IPs of an account. */
export function poolOf(queue: QueueState, account: number): readonly string[] {
  return queue.pools[String(account)] ?? queue.pools['*'] ?? []
}

/** The names under which gates find a stream. */
function scopeNames(to: Destination): string[] {
  const names = [`site|${to.site}`, BACKOFF_KEYS.networkDomain(to), BACKOFF_KEYS.networkHosts(to), BACKOFF_KEYS.account(to)]
  return to.gateway ? [...names, `site|${to.domain}`] : names
}

/** The lane, made where there is none. */
export function getOrCreateLane(queue: QueueState, to: Pick<Destination, 'account' | 'domain'>): Lane {
  const id = laneIdOf(to)
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
    waiting: 0,
    inFlight: 0,
    recentReplies: [],
    retryTimers: [],
    throughput: emptyThroughput(),
  }
  queue.lanes.set(id, lane)
  return lane
}

/** The stream of mails to a destination that certain IPs were refused for, made where there is none. */
export function getOrCreateStream(queue: QueueState, to: Destination, refusedBy: readonly string[]): MessageStream {
  const id = streamIdOf(to, refusedBy)
  const known = queue.streams.get(id)
  if (known !== undefined) return known
  const pool = poolOf(queue, to.account)
  if (pool.length === 0) throw new Fault('config_invalid', `account ${to.account} has no egress IP; name one in its pool, or under "*"`)
  const left = pool.filter((ip) => !refusedBy.includes(ip))
  const { account, domain, senderDomain, site, gateway, mxSet } = to
  const plain: Destination = { account, domain, senderDomain, site, gateway, mxSet }
  const egressPaths: EgressPath[] = (left.length === 0 ? pool : left).map((egressIp) => ({
    egressIp,
    keys: egressKeys({ ...plain, egressIp }),
  }))
  const lane = getOrCreateLane(queue, to)
  const stream: MessageStream = {
    id,
    lane: lane.id,
    destination: plain,
    keys: destinationKeys(plain),
    egressPaths,
    fairShareKeys: fairShareKeysOf(plain),
    ready: emptyFifo(),
    waiting: 0,
    state: 'idle',
    blockedBy: [],
    wokenBy: null,
    nextPathIndex: 0,
  }
  queue.streams.set(id, stream)
  lane.streams.add(id)
  for (const name of scopeNames(plain)) {
    const streams = queue.streamsByScope.get(name)
    if (streams === undefined) queue.streamsByScope.set(name, new Set([id]))
    else streams.add(id)
  }
  return stream
}

/** Forgets a stream that holds nothing. */
export function dropStream(queue: QueueState, stream: MessageStream): void {
  queue.streams.delete(stream.id)
  queue.lanes.get(stream.lane)?.streams.delete(stream.id)
  for (const name of scopeNames(stream.destination)) {
    const streams = queue.streamsByScope.get(name)
    streams?.delete(stream.id)
    if (streams?.size === 0) queue.streamsByScope.delete(name)
  }
}

/** A stream into the line of its lane, the lane into the ring. */
function makeRunnable(queue: QueueState, stream: MessageStream): void {
  const lane = queue.lanes.get(stream.lane)
  if (lane === undefined || stream.state === 'runnable') return
  stream.state = 'runnable'
  push(lane.runnable, stream.id)
  if (lane.isInRing) return
  lane.isInRing = true
  push(queue.ring, lane.id)
}

/** A mail into the line of its stream. */
export function makeReady(queue: QueueState, entry: QueueEntry): void {
  const stream = queue.streams.get(entry.stream)
  if (stream === undefined) return
  entry.state = 'ready'
  push(stream.ready, entry.message.id)
  if (stream.state === 'idle') makeRunnable(queue, stream)
}

/** A mail rests until it is due. */
export function deferUntilDue(queue: QueueState, entry: QueueEntry): void {
  const timer = { at: entry.dueAt, n: nextSequenceNumber(queue), what: 'mail', id: entry.message.id } as const
  pushTimer(queue.timers, timer)
  const lane = queue.lanes.get(queue.streams.get(entry.stream)?.lane ?? '')
  if (lane === undefined) return
  nextRetryAt(queue, lane)
  pushTimer(lane.retryTimers, timer)
}

/** When the first resting mail of a lane is due; null: none rests. Forgets what no longer does. */
export function nextRetryAt({ entries }: QueueState, { retryTimers }: Lane): number | null {
  for (let next = retryTimers[0]; next !== undefined; next = retryTimers[0]) {
    const entry = entries.get(next.id)
    if (entry !== undefined && entry.state === 'resting' && entry.dueAt === next.at) return next.at
    popTimer(retryTimers)
  }
  return null
}

/** One more, or one less, that waits in a stream. */
export function adjustWaiting(queue: QueueState, stream: MessageStream, n: 1 | -1): void {
  stream.waiting += n
  adjustWaitingShares(queue, stream, n)
  const lane = queue.lanes.get(stream.lane)
  if (lane !== undefined) lane.waiting += n
}

/** A stream out of the line, to the gates that shut it; the gate that let it go may let the next go. */
export function parkStream(queue: QueueState, stream: MessageStream, keys: readonly Key[], now: number): void {
  deactivateStream(queue, stream, 'parked')
  stream.blockedBy = keys
  for (const key of keys) {
    const keyState = getOrCreateKeyState(queue, key, now)
    keyState.waitingStreams.add(stream.id)
    setKeyTimer(queue, keyState, now)
  }
}

/** A stream is done with for now. */
export function deactivateStream(queue: QueueState, stream: MessageStream, state: 'idle' | 'parked'): void {
  stream.state = state
  if (stream.wokenBy !== null) queue.keysToWake.add(stream.wokenBy)
  stream.wokenBy = null
}

/** A gate lets a stream go. */
export function wakeStream(queue: QueueState, stream: MessageStream, by: BackoffKey): void {
  for (const key of stream.blockedBy) queue.keyStates.get(key)?.waitingStreams.delete(stream.id)
  stream.blockedBy = []
  stream.wokenBy = by
  if (sizeOf(stream.ready) > 0) makeRunnable(queue, stream)
  else deactivateStream(queue, stream, 'idle')
}

/** Nothing waits in a stream any more: a probe that counted on it may have to do without. */
export function advanceProbes(queue: QueueState, stream: MessageStream, now: number): QueueEvent[] {
  if (stream.waiting > 0) return []
  const keys = [...stream.keys, ...stream.egressPaths.flatMap((egressPath) => egressPath.keys)]
  return keys.flatMap((key) => {
    const keyState = queue.keyStates.get(key)
    const isProbed = keyState !== undefined && [...keyState.episodes.values()].some(({ state }) => state === 'probing')
    return isProbed ? advanceKeyState(queue, keyState, now) : []
  })
}

/** A mail leaves the queue. */
export function removeEntry(queue: QueueState, entry: QueueEntry, end: FinalOutcome, now: number): QueueEvent[] {
  queue.entries.delete(entry.message.id)
  const stream = queue.streams.get(entry.stream)
  const { attempts, lastResult: last } = entry
  const blockingKey = end === 'given-up' && last === null && stream !== undefined ? findBlockingKey(queue, stream, now) : null
  const event: QueueEvent = { kind: 'mail.ended', at: now, mailId: entry.message.id, end, attempts, last, heldBy: blockingKey }
  if (stream === undefined || entry.state === 'flight') return [event]
  adjustWaiting(queue, stream, -1)
  return [event, ...advanceProbes(queue, stream, now)]
}

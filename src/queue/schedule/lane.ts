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
import { gateOf, passGate, setGateTimer } from '../backoff/key-state.ts'
import { heldByOf } from '../observe/blocking-key.ts'
import { destinationKeys, egressKeys, KEYS, type KeyId } from '../backoff/backoff-key.ts'
import type { Destination, KeyId as Key } from '../backoff/backoff-key.ts'
import type { MailEnd, QueueEvent } from '../message.ts'
import { emptyRates } from '../observe/throughput.ts'
import { countShares, sharersOf } from './fair-share.ts'
import { type Held, type Lane, nextNumber, type Stock, type Stream, type Way } from '../queue-state.ts'
import { setTimer, takeTimer } from './timer-heap.ts'

const laneIdOf = (to: Pick<Destination, 'account' | 'domain'>): string => KEYS.lane(to)

function streamIdOf(to: Destination, refusedBy: readonly string[]): string {
  return [to.account, to.domain, to.senderDomain, to.site, to.mxSet, ...refusedBy].join('|')
}

/** The egress IPs of an account. */
export function poolOf(queue: Stock, account: number): readonly string[] {
  return queue.pools[String(account)] ?? queue.pools['*'] ?? []
}

/** The names under which gates find a stream. */
function coverNames(to: Destination): string[] {
  const names = [`site|${to.site}`, KEYS.networkDomain(to), KEYS.networkHosts(to), KEYS.account(to)]
  return to.gateway ? [...names, `site|${to.domain}`] : names
}

/** The lane, made where there is none. */
export function laneOf(queue: Stock, to: Pick<Destination, 'account' | 'domain'>): Lane {
  const id = laneIdOf(to)
  const known = queue.lanes.get(id)
  if (known !== undefined) return known
  const lane: Lane = {
    id,
    account: to.account,
    domain: to.domain,
    streams: new Set(),
    runnable: emptyFifo(),
    oldest: emptyFifo(),
    lookAt: null,
    deficit: 0,
    isInRing: false,
    waiting: 0,
    inFlight: 0,
    heard: [],
    rests: [],
    rates: emptyRates(),
  }
  queue.lanes.set(id, lane)
  return lane
}

/** The stream of mails to a destination that certain IPs were refused for, made where there is none. */
export function streamOf(queue: Stock, to: Destination, refusedBy: readonly string[]): Stream {
  const id = streamIdOf(to, refusedBy)
  const known = queue.streams.get(id)
  if (known !== undefined) return known
  const pool = poolOf(queue, to.account)
  if (pool.length === 0) throw new Fault('config_invalid', `account ${to.account} has no egress IP; name one in its pool, or under "*"`)
  const left = pool.filter((ip) => !refusedBy.includes(ip))
  const { account, domain, senderDomain, site, gateway, mxSet } = to
  const plain: Destination = { account, domain, senderDomain, site, gateway, mxSet }
  const ways: Way[] = (left.length === 0 ? pool : left).map((egressIp) => ({ egressIp, keys: egressKeys({ ...plain, egressIp }) }))
  const lane = laneOf(queue, to)
  const stream: Stream = {
    id,
    lane: lane.id,
    to: plain,
    keys: destinationKeys(plain),
    ways,
    sharers: sharersOf(plain),
    ready: emptyFifo(),
    waiting: 0,
    place: 'idle',
    waitsAt: [],
    wokenBy: null,
    nextWay: 0,
  }
  queue.streams.set(id, stream)
  lane.streams.add(id)
  for (const name of coverNames(plain)) {
    const covered = queue.covers.get(name)
    if (covered === undefined) queue.covers.set(name, new Set([id]))
    else covered.add(id)
  }
  return stream
}

/** Forgets a stream that holds nothing. */
export function dropStream(queue: Stock, stream: Stream): void {
  queue.streams.delete(stream.id)
  queue.lanes.get(stream.lane)?.streams.delete(stream.id)
  for (const name of coverNames(stream.to)) {
    const covered = queue.covers.get(name)
    covered?.delete(stream.id)
    if (covered?.size === 0) queue.covers.delete(name)
  }
}

/** A stream into the line of its lane, the lane into the ring. */
function run(queue: Stock, stream: Stream): void {
  const lane = queue.lanes.get(stream.lane)
  if (lane === undefined || stream.place === 'runnable') return
  stream.place = 'runnable'
  push(lane.runnable, stream.id)
  if (lane.isInRing) return
  lane.isInRing = true
  push(queue.ring, lane.id)
}

/** A mail into the line of its stream. */
export function makeReady(queue: Stock, held: Held): void {
  const stream = queue.streams.get(held.stream)
  if (stream === undefined) return
  held.place = 'ready'
  push(stream.ready, held.mail.id)
  if (stream.place === 'idle') run(queue, stream)
}

/** A mail rests until it is due. */
export function rest(queue: Stock, held: Held): void {
  const timer = { at: held.dueAt, n: nextNumber(queue), what: 'mail', id: held.mail.id } as const
  setTimer(queue.timers, timer)
  const lane = queue.lanes.get(queue.streams.get(held.stream)?.lane ?? '')
  if (lane === undefined) return
  nextRest(queue, lane)
  setTimer(lane.rests, timer)
}

/** When the first resting mail of a lane is due; null: none rests. Forgets what no longer does. */
export function nextRest({ mails }: Stock, { rests }: Lane): number | null {
  for (let next = rests[0]; next !== undefined; next = rests[0]) {
    const held = mails.get(next.id)
    if (held !== undefined && held.place === 'resting' && held.dueAt === next.at) return next.at
    takeTimer(rests)
  }
  return null
}

/** One more, or one less, that waits in a stream. */
export function countWaiting(queue: Stock, stream: Stream, n: 1 | -1): void {
  stream.waiting += n
  countShares(queue, stream, n)
  const lane = queue.lanes.get(stream.lane)
  if (lane !== undefined) lane.waiting += n
}

/** A stream out of the line, to the gates that shut it; the gate that let it go may let the next go. */
export function park(queue: Stock, stream: Stream, keys: readonly Key[], now: number): void {
  leave(queue, stream, 'parked')
  stream.waitsAt = keys
  for (const key of keys) {
    const gate = gateOf(queue, key, now)
    gate.waiters.add(stream.id)
    setGateTimer(queue, gate, now)
  }
}

/** A stream is done with for now. */
export function leave(queue: Stock, stream: Stream, place: 'idle' | 'parked'): void {
  stream.place = place
  if (stream.wokenBy !== null) queue.hot.add(stream.wokenBy)
  stream.wokenBy = null
}

/** A gate lets a stream go. */
export function wake(queue: Stock, stream: Stream, by: KeyId): void {
  for (const key of stream.waitsAt) queue.gates.get(key)?.waiters.delete(stream.id)
  stream.waitsAt = []
  stream.wokenBy = by
  if (sizeOf(stream.ready) > 0) run(queue, stream)
  else leave(queue, stream, 'idle')
}

/** Nothing waits in a stream any more: a probe that counted on it may have to do without. */
export function passProbes(queue: Stock, stream: Stream, now: number): QueueEvent[] {
  if (stream.waiting > 0) return []
  const keys = [...stream.keys, ...stream.ways.flatMap((way) => way.keys)]
  return keys.flatMap((key) => {
    const gate = queue.gates.get(key)
    const isProbed = gate !== undefined && [...gate.episodes.values()].some(({ state }) => state === 'probing')
    return isProbed ? passGate(queue, gate, now) : []
  })
}

/** A mail leaves the queue. */
export function endMail(queue: Stock, held: Held, end: MailEnd, now: number): QueueEvent[] {
  queue.mails.delete(held.mail.id)
  const stream = queue.streams.get(held.stream)
  const { attempts, last } = held
  const heldBy = end === 'given-up' && last === null && stream !== undefined ? heldByOf(queue, stream, now) : null
  const event: QueueEvent = { kind: 'mail.ended', at: now, mailId: held.mail.id, end, attempts, last, heldBy }
  if (stream === undefined || held.place === 'flight') return [event]
  countWaiting(queue, stream, -1)
  return [event, ...passProbes(queue, stream, now)]
}

/**
 * dispatch - who sends next: deficit round robin over lanes, and gates that let streams go
 *
 * Each lane sends up to a quantum in its turn, so a lane of a million waits no shorter and no longer than a lane of one. A shut stream
 * costs one look, however many mails it holds, and is not looked at again before a gate lets it go.
 *
 * Mutates the stock that it is given. See also: queue/schedule/lane, queue/backoff/key-state, queue/queue.
 */
import { send } from '../backoff/backoff.ts'
import { peek, push, shift, sizeOf } from './fifo.ts'
import { budgetOf, gateOf, opensAt, refresh, setGateTimer } from '../backoff/key-state.ts'
import { KEYS, type KeyId } from '../backoff/backoff-key.ts'
import { countWaiting, leave, park, passProbes, wake } from './lane.ts'
import type { Dispatch, QueueEvent } from '../message.ts'
import { note } from '../observe/throughput.ts'
import { fullShare, isShare, shareKeys } from './fair-share.ts'
import { type Gate, type Held, type Lane, nextNumber, type Stock, type Stream, type Way } from '../queue-state.ts'
import { dayOf } from '../backoff/warm-up.ts'

/** Enough for a connection to be worth opening, few enough that nobody waits long. */
const QUANTUM = 8

export type Sent = { readonly dispatches: Dispatch[]; readonly events: QueueEvent[] }

/** Fills `sent` up to the capacity, or until nobody may send. */
export function takeTurns(queue: Stock, sent: Sent, capacity: number, now: number): void {
  letGo(queue, now)
  while (sent.dispatches.length < capacity) {
    const lane = nextLane(queue)
    if (lane === null) {
      if (!letGo(queue, now)) return
      continue
    }
    takeTurn(queue, lane, { sent, capacity, now })
    if (lane.deficit > 0 && sizeOf(lane.runnable) > 0) return
    endTurn(queue, lane)
  }
}

/** The lane whose turn it is. */
function nextLane(queue: Stock): Lane | null {
  if (queue.current === null) {
    queue.current = shift(queue.ring) ?? null
    const lane = queue.current === null ? undefined : queue.lanes.get(queue.current)
    if (lane !== undefined) lane.deficit = QUANTUM
  }
  return queue.current === null ? null : (queue.lanes.get(queue.current) ?? null)
}

function endTurn(queue: Stock, lane: Lane): void {
  queue.current = null
  lane.deficit = 0
  lane.isInRing = sizeOf(lane.runnable) > 0
  if (lane.isInRing) push(queue.ring, lane.id)
}

function takeTurn(
  queue: Stock,
  lane: Lane,
  { sent, capacity, now }: { readonly sent: Sent; readonly capacity: number; readonly now: number },
): void {
  while (lane.deficit > 0 && sent.dispatches.length < capacity) {
    const id = shift(lane.runnable)
    const stream = id === undefined ? undefined : queue.streams.get(id)
    if (stream === undefined) return
    const held = nextReady(queue, stream)
    const way = held === null ? null : wayOut(queue, stream, now)
    if (held === null) {
      leave(queue, stream, 'idle')
    } else if (way !== null) {
      push(lane.runnable, stream.id)
      shift(stream.ready)
      lane.deficit -= 1
      hand(queue, { stream, lane, held, way }, sent, now)
    }
  }
}

/** The mail at the front; those that are gone are passed over. */
function nextReady(queue: Stock, stream: Stream): Held | null {
  for (let id = peek(stream.ready); id !== undefined; id = peek(stream.ready)) {
    const held = queue.mails.get(id)
    if (held !== undefined && held.place === 'ready' && held.stream === stream.id) return held
    shift(stream.ready)
  }
  return null
}

/** The first of these keys that lets nothing through, but the one that opens last; null: all are open. */
function shutKey(queue: Stock, keys: readonly KeyId[], now: number): KeyId | null {
  let last: { readonly key: KeyId; readonly at: number } | null = null
  for (const key of keys) {
    const gate = queue.gates.get(key)
    if (gate === undefined || budgetOf(queue, gate, now) > 0) continue
    const at = opensAt(gate, now) ?? Infinity
    if (last === null || at > last.at) last = { key, at }
  }
  return last?.key ?? null
}

/** An IP that may be used now; null, and the stream parked, where there is none. IPs take turns. */
function wayOut(queue: Stock, stream: Stream, now: number): Way | null {
  const shut = shutKey(queue, stream.keys, now) ?? fullShare(queue, stream)
  if (shut !== null) {
    park(queue, stream, [shut], now)
    return null
  }
  const waitsAt: KeyId[] = []
  for (let i = 0; i < stream.ways.length; i++) {
    const place = (stream.nextWay + i) % stream.ways.length
    const way = stream.ways[place]
    if (way === undefined) continue
    warm(queue, stream, way, now)
    crowd(queue, stream, way, now)
    const key = shutKey(queue, way.keys, now)
    if (key === null) {
      stream.nextWay = place + 1
      return way
    }
    waitsAt.push(key)
  }
  park(queue, stream, waitsAt, now)
  return null
}

/** The gate of an IP that warms up is made before it is asked. */
function warm(queue: Stock, stream: Stream, { egressIp }: Way, now: number): void {
  const startedAt = queue.warmUps.get(egressIp)
  if (startedAt === undefined) return
  const gate = gateOf(queue, KEYS.warmup({ ...stream.to, egressIp }), now)
  gate.warming ??= { startedAt, day: dayOf(now), sent: 0 }
}

/** So is the gate of connections that are all in use. */
function crowd(queue: Stock, stream: Stream, { egressIp }: Way, now: number): void {
  if (queue.connections === null) return
  const key = KEYS.connection({ ...stream.to, egressIp })
  if ((queue.inFlight.get(key) ?? 0) >= queue.connections) gateOf(queue, key, now)
}

type Going = { readonly stream: Stream; readonly lane: Lane; readonly held: Held; readonly way: Way }

/** Hands a mail out. */
function hand(queue: Stock, going: Going, sent: Sent, now: number): void {
  const { stream, lane, held, way } = going
  const keys = [...stream.keys, ...way.keys, ...shareKeys(queue, stream)]
  held.place = 'flight'
  held.attempts += 1
  countWaiting(queue, stream, -1)
  lane.inFlight += 1
  const number = nextNumber(queue)
  let probe = false
  for (const key of keys) {
    const gate = queue.gates.get(key)
    if (gate !== undefined) probe = spend(queue, gate, now) || probe
  }
  const dispatch: Dispatch = { ...stream.to, number, mailId: held.mail.id, egressIp: way.egressIp, attempt: held.attempts, probe, at: now }
  queue.flights.set(number, { dispatch, keys, stream: stream.id, lane: lane.id })
  for (const key of countedKeys(keys)) queue.inFlight.set(key, (queue.inFlight.get(key) ?? 0) + 1)
  note(queue.rates, 'try', now)
  note(lane.rates, 'try', now)
  sent.dispatches.push(dispatch)
  sent.events.push(...passProbes(queue, stream, now))
}

/** Keys whose attempts under way are counted. */
export const countedKeys = (keys: readonly KeyId[]): KeyId[] =>
  keys.filter((key) => key.startsWith('connection|') || key.startsWith('network|') || isShare(key))

/** One mail through a gate. Whether it is a probe. */
function spend(queue: Stock, gate: Gate, now: number): boolean {
  gate.bucket = { left: Math.max(0, gate.bucket.left - 1), at: gate.bucket.at }
  if (gate.warming !== null) {
    const today = dayOf(now)
    gate.warming.sent = gate.warming.day === today ? gate.warming.sent + 1 : 1
    gate.warming.day = today
  }
  let probe = false
  for (const [name, episode] of gate.episodes) {
    const after = send(episode, now)
    probe ||= after.state === 'probing'
    if (after !== episode) gate.episodes.set(name, after)
  }
  if (probe) {
    refresh(queue, gate)
    setGateTimer(queue, gate, now)
  }
  return probe
}

/** Lets as many streams go as the open gates have room for. Whether there was any. */
function letGo(queue: Stock, now: number): boolean {
  let any = false
  for (const key of queue.hot) {
    queue.hot.delete(key)
    const gate = queue.gates.get(key)
    if (gate === undefined || gate.waiters.size === 0) continue
    any = letThrough(queue, gate, now) || any
    if (gate.waiters.size > 0) setGateTimer(queue, gate, now)
  }
  return any
}

function letThrough(queue: Stock, gate: Gate, now: number): boolean {
  let room = budgetOf(queue, gate, now)
  let any = false
  for (const id of gate.waiters) {
    if (room <= 0) break
    const stream = queue.streams.get(id)
    if (stream === undefined) {
      gate.waiters.delete(id)
      continue
    }
    wake(queue, stream, gate.id)
    room -= 1
    any = true
  }
  return any
}

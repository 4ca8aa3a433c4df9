/**
 * key-state - what is known of a key, whether it lets a mail through now, and what moves it
 *
 * A gate is made when there is something to know: a key that nobody ever answered on has none, and is open. The machine itself is
 * queue/backoff/backoff; here its turns are numbered, its events are written, and its moments are set. Mutates the stock that it is given.
 *
 * See also: queue/queue-state, queue/backoff/backoff, queue/backoff/rate-limiter, queue/backoff/concurrency-limiter, queue/backoff/warm-up.
 */
import { isByHand, remember } from '../schedule/hold-time.ts'
import { type Episode, OPEN, type Opening, openingOf } from './backoff-episode.ts'
import { kindOf, type KeyId } from './backoff-key.ts'
import type { QueueEvent, Transition } from '../message.ts'
import { nextToken, refill } from './rate-limiter.ts'
import { pass, transitionOf, type Turn, wakeOf } from './backoff.ts'
import { roll, SALTS } from '../schedule/seeded-random.ts'
import { roomAt } from '../schedule/fair-share.ts'
import { type Gate, nextNumber, type Stock } from '../queue-state.ts'
import { emptyTally } from './sliding-count.ts'
import { setTimer } from '../schedule/timer-heap.ts'
import { allowanceOn, dayOf, tomorrow } from './warm-up.ts'

const HOUR = 3_600_000

/** The gate of a key, made where there is none. */
export function gateOf(queue: Stock, key: KeyId, now: number): Gate {
  const known = queue.gates.get(key)
  if (known !== undefined) return known
  const gate: Gate = {
    id: key,
    kind: kindOf(key),
    episodes: new Map(),
    opening: OPEN,
    attempts: new Map(),
    delivered: new Map(),
    accepted: emptyTally(HOUR),
    bucket: { left: 1, at: now },
    pace: null,
    breadth: null,
    limit: null,
    manual: null,
    spans: [],
    warming: null,
    suspect: null,
    failedAt: new Map(),
    waiters: new Set(),
    timerAt: null,
  }
  queue.gates.set(key, gate)
  return gate
}

/** The machine's turn at this moment. The number is taken only if the state changes. */
export function turnOf(queue: Stock, now: number): Turn {
  const epoch = queue.sequence + 1
  return { now, epoch, roll: roll(queue.seed, epoch, SALTS.jitter) }
}

const least = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : Math.min(a, b))

function both(a: Opening, b: Opening): Opening {
  const shut = a.shut === 'operator' || b.shut === 'operator' ? 'operator' : Math.max(Number(a.shut), Number(b.shut)) || false
  return {
    shut,
    perMinute: least(a.perMinute, b.perMinute),
    connections: least(a.connections, b.connections),
    probes: least(a.probes, b.probes),
  }
}

/** What the episodes of a gate allow together, worked out anew. */
export function refresh(queue: Stock, gate: Gate): void {
  let opening = OPEN
  for (const episode of gate.episodes.values()) {
    const own = openingOf(queue.policy, episode)
    if (own !== OPEN) opening = both(opening, own)
  }
  gate.opening = opening
}

/** Puts an episode's new value in its place; writes the event of a transition. */
export function put(
  queue: Stock,
  { gate, before, after }: { readonly gate: Gate; readonly before: Episode; readonly after: Episode },
  turn: { readonly now: number; readonly by: Transition['by'] },
): QueueEvent[] {
  if (after === before) return []
  gate.episodes.set(after.class, after)
  if (isByHand(before) && !isByHand(after)) remember(gate, { from: before.since, until: turn.now })
  const isPlain = before.state === 'active' && after.state === 'active' && before.rung === null && after.rung === null
  if (isPlain) return []
  refresh(queue, gate)
  queue.hot.add(gate.id)
  const event = transitionOf(queue.policy, [before, after], turn.now, turn.by)
  if (event === null) return []
  nextNumber(queue)
  return event.to === 'paused' ? [event, ...recallOf(queue, gate.id, turn.now)] : [event]
}

/** What is in flight for a key that has just closed. */
function recallOf(queue: Stock, key: KeyId, now: number): QueueEvent[] {
  const numbers = [...queue.flights.values()].filter(({ keys }) => keys.includes(key)).map(({ dispatch }) => dispatch.number)
  return numbers.length === 0 ? [] : [{ kind: 'recall', at: now, key, numbers }]
}

/** Under which name the streams that a key may cover are found. */
export function coverName(key: KeyId): string {
  const [kind, first = '', second = ''] = key.split('|')
  if (kind === 'ip' || kind === 'connection' || kind === 'sender-domain') return `site|${second}`
  return kind === 'network' && first === 'site' ? `site|${second}` : key
}

/** How many mails wait that a key covers, counted up to a batch. */
export function waitingFor(queue: Stock, key: KeyId): number {
  let waiting = 0
  for (const id of queue.covers.get(coverName(key)) ?? []) {
    const stream = queue.streams.get(id)
    if (stream === undefined || stream.waiting === 0) continue
    if (!stream.keys.includes(key) && !stream.ways.some(({ keys }) => keys.includes(key))) continue
    waiting += stream.waiting
    if (waiting >= queue.policy.batch) break
  }
  return waiting
}

/** Time passes at a gate: every episode goes as far as the moment takes it. */
export function passGate(queue: Stock, gate: Gate, now: number): QueueEvent[] {
  const events: QueueEvent[] = []
  for (const name of gate.episodes.keys()) {
    for (let before = gate.episodes.get(name); before !== undefined; before = gate.episodes.get(name)) {
      const needsCount = before.state === 'paused' || before.state === 'probing'
      const after = pass(queue.policy, before, { waiting: needsCount ? waitingFor(queue, gate.id) : 0 }, turnOf(queue, now))
      if (after === before) break
      events.push(...put(queue, { gate, before, after }, { now, by: 'queue' }))
    }
  }
  setGateTimer(queue, gate, now)
  return events
}

/** Mails a minute that a gate allows; null: no limit. */
const rateOf = (gate: Gate): number | null => least(least(gate.opening.perMinute, gate.pace?.perMinute ?? null), gate.limit)

/** What is left of a warming IP's day; null: no limit. */
function leftToday(gate: Gate, now: number): number | null {
  if (gate.warming === null) return null
  const allowance = allowanceOn(gate.warming.startedAt, now)
  if (allowance === null) return null
  return allowance - (gate.warming.day === dayOf(now) ? gate.warming.sent : 0)
}

/** How many connections a gate allows: by its episodes, by what it has learnt, by the setting; null: no limit. */
function mostAtOnce(queue: Stock, { kind, opening, breadth }: Gate): number | null {
  const learnt = breadth === null ? null : Math.floor(breadth.most)
  return least(least(opening.connections, learnt), kind === 'connection' ? queue.connections : null)
}

/** How many mails a gate lets through at this moment. */
export function budgetOf(queue: Stock, gate: Gate, now: number): number {
  const { opening } = gate
  if (opening.shut !== false || gate.manual !== null) return 0
  const most = mostAtOnce(queue, gate)
  const connections = most === null ? Infinity : most - (queue.inFlight.get(gate.id) ?? 0)
  const probes = opening.probes === null ? Infinity : Math.min(1, opening.probes)
  const rate = rateOf(gate)
  if (rate !== null) gate.bucket = refill(gate.bucket, rate, now)
  const tokens = rate === null ? Infinity : Math.floor(gate.bucket.left)
  return Math.max(0, Math.min(roomAt(queue, gate.id), connections, probes, tokens, leftToday(gate, now) ?? Infinity))
}

/** When a gate that lets nothing through may do so by time alone; null: only an answer or an operator opens it. */
export function opensAt(gate: Gate, now: number): number | null {
  const { opening } = gate
  if (opening.shut === 'operator') return null
  const moments = [opening.shut === false ? now : opening.shut, gate.manual?.until ?? now]
  if ((leftToday(gate, now) ?? 1) <= 0) moments.push(tomorrow(now))
  const rate = rateOf(gate)
  if (rate !== null) moments.push(nextToken(refill(gate.bucket, rate, now), rate))
  const latest = Math.max(...moments)
  return latest > now ? latest : null
}

/** Sets the next moment at which time alone changes something at a gate. */
export function setGateTimer(queue: Stock, gate: Gate, now: number): void {
  let at = gate.manual?.until ?? Infinity
  for (const episode of gate.episodes.values()) at = Math.min(at, wakeOf(queue.policy, episode) ?? Infinity)
  if (gate.waiters.size > 0) at = Math.min(at, opensAt(gate, now) ?? Infinity)
  if (at === Infinity || (gate.timerAt !== null && gate.timerAt <= at)) return
  gate.timerAt = Math.max(at, now + 1)
  setTimer(queue.timers, { at: gate.timerAt, n: nextNumber(queue), what: 'gate', id: gate.id })
}

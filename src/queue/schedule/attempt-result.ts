/**
 * attempt-result - what becomes of a mail when its attempt is answered, and who hears it
 *
 * A mail ends delivered, failed or given up; else it rests by the ladder, or goes on at once by an IP that has not refused it. A message
 * refused for its IP ends only when no permitted IP is left. The queue never commits: whoever holds it writes the events, then goes on.
 *
 * Mutates the stock that it is given. See also: queue/backoff/feedback (the keys), queue/schedule/retry (the ladder), queue/schedule/lane.
 */
import { deadlineOf } from './hold-time.ts'
import { evidenceOf, hearAnswer, hearLater } from '../backoff/feedback.ts'
import { countWaiting, endMail, makeReady, passProbes, poolOf, rest, streamOf } from './lane.ts'
import type { Answer, QueueEvent, Refusal } from '../message.ts'
import { note } from '../observe/throughput.ts'
import { restOf } from './retry.ts'
import { roll, SALTS } from './seeded-random.ts'
import { learnRoom } from './fair-share.ts'
import type { Flight, Held, Stock } from '../queue-state.ts'
import { countedKeys } from './dispatch.ts'

/** As many as an episode keeps. */
const MOST_HEARD = 5

/**
 * Hears the answer to a dispatch. What became of the mail stands first, then which keys moved. A number that is not in flight gives nothing.
 */
export function answer(queue: Stock, number: number, heard: Answer, now: number): QueueEvent[] {
  const flight = queue.flights.get(number)
  const held = flight === undefined ? undefined : queue.mails.get(flight.dispatch.mailId)
  if (flight === undefined || held === undefined) return []
  land(queue, flight)
  learn(queue, flight, heard)
  remember(queue, flight, { heard, now })
  if (heard.kind === 'recalled') held.attempts -= 1
  else held.last = heard
  const fate = fateOf(queue, { held, flight, answer: heard }, now)
  if (fate.kind === 'rest') held.last = heard
  if (fate.kind !== 'end') putBack(queue, held, fate)
  const moved = hearAnswer({ queue, flight, answer: heard, now })
  const became = fate.kind === 'end' ? finish(queue, { held, flight }, fate.end, now) : waits(queue, held, fate, now)
  const stream = queue.streams.get(flight.stream)
  return [...became, ...moved, ...(stream === undefined ? [] : passProbes(queue, stream, now))]
}

/** A report that came back later about mail of an account (`list-quality`). */
export function report(
  queue: Stock,
  what: { readonly kind: 'not-exist' | 'complaint'; readonly account: number },
  now: number,
): QueueEvent[] {
  return hearLater(queue, what, now)
}

/** The dispatch is no longer in flight. */
function land(queue: Stock, flight: Flight): void {
  queue.flights.delete(flight.dispatch.number)
  const lane = queue.lanes.get(flight.lane)
  if (lane !== undefined) lane.inFlight -= 1
  for (const key of countedKeys(flight.keys)) {
    const left = (queue.inFlight.get(key) ?? 1) - 1
    if (left > 0) queue.inFlight.set(key, left)
    else queue.inFlight.delete(key)
  }
  for (const key of flight.keys) if ((queue.gates.get(key)?.waiters.size ?? 0) > 0) queue.hot.add(key)
}

/** What an answer says of the lines that its host set may have. A line that broke, or nothing that was sent, says nothing. */
function learn(queue: Stock, flight: Flight, heard: Answer): void {
  const stream = queue.streams.get(flight.stream)
  if (stream === undefined || heard.kind === 'recalled') return
  if (heard.kind === 'unreachable' && heard.how === 'dropped') return
  const isSilent = heard.kind === 'unreachable' || (heard.kind === 'refused' && heard.pause === 'network')
  learnRoom(queue, stream, !isSilent)
}

/** An operator sees what a lane was told, whether or not it moves a key. */
function remember(queue: Stock, flight: Flight, { heard, now }: { readonly heard: Answer; readonly now: number }): void {
  const lane = queue.lanes.get(flight.lane)
  const reply = evidenceOf(flight, heard, now)
  if (lane !== undefined && reply !== null) lane.heard = [...lane.heard.slice(1 - MOST_HEARD), reply]
}

type Fate =
  | { readonly kind: 'end'; readonly end: 'delivered' | 'failed' | 'given-up' }
  | { readonly kind: 'rest'; readonly dueAt: number; readonly refusedBy: readonly string[] }
  /** Goes on at once. */
  | { readonly kind: 'again'; readonly refusedBy: readonly string[] }

type Case = { readonly held: Held; readonly flight: Flight; readonly answer: Answer }

function fateOf(queue: Stock, { held, flight, answer: heard }: Case, now: number): Fate {
  if (heard.kind === 'accepted') return { kind: 'end', end: 'delivered' }
  if (heard.kind === 'recalled') return { kind: 'again', refusedBy: held.refusedBy }
  if (heard.kind === 'unreachable') {
    const isHeld = heard.how !== 'dropped' && queue.policy.classes.network.key !== null
    return restFor(queue, held, { isHeld, statedDelayMs: null }, now)
  }
  const refusedBy = isAboutIp(queue, heard) ? [...held.refusedBy, flight.dispatch.egressIp].toSorted() : held.refusedBy
  const hasOther = poolOf(queue, flight.dispatch.account).some((ip) => !refusedBy.includes(ip))
  if (refusedBy !== held.refusedBy && hasOther) return { kind: 'again', refusedBy }
  if (!heard.deferral) return { kind: 'end', end: 'failed' }
  const row = heard.pause === null ? null : queue.policy.classes[heard.pause]
  const atLeast = Math.max(heard.statedDelayMs ?? 0, row?.leastRestMs ?? 0)
  return restFor(queue, held, { isHeld: row !== null && row.key !== null, statedDelayMs: atLeast }, now)
}

/** The same mail may pass from another address. */
function isAboutIp(queue: Stock, { reason, pause }: Refusal): boolean {
  return pause === null ? reason === 'ip-blocked' : queue.policy.classes[pause].otherIp
}

function restFor(queue: Stock, held: Held, why: { readonly isHeld: boolean; readonly statedDelayMs: number | null }, now: number): Fate {
  const rest = restOf(queue.retry, {
    attempts: held.attempts,
    held: why.isHeld,
    statedDelayMs: why.statedDelayMs,
    roll: roll(queue.seed, queue.sequence + 1, SALTS.retry),
  })
  const dueAt = now + rest
  if (dueAt >= deadlineOf(queue, held)) return { kind: 'end', end: 'given-up' }
  // Every IP had its turn: they all have another one.
  const isAll = poolOf(queue, held.mail.account).every((ip) => held.refusedBy.includes(ip))
  return { kind: 'rest', dueAt, refusedBy: isAll ? [] : held.refusedBy }
}

/** Back among what waits, before the keys hear of it: a probe counts what waits. */
function putBack(queue: Stock, held: Held, fate: Exclude<Fate, { readonly kind: 'end' }>): void {
  held.refusedBy = fate.refusedBy
  const stream = streamOf(queue, held.mail, held.refusedBy)
  held.stream = stream.id
  countWaiting(queue, stream, 1)
  if (fate.kind === 'again') return makeReady(queue, held)
  held.place = 'resting'
  held.dueAt = fate.dueAt
  rest(queue, held)
}

function waits(queue: Stock, held: Held, fate: Exclude<Fate, { readonly kind: 'end' }>, now: number): QueueEvent[] {
  const dueAt = fate.kind === 'rest' ? fate.dueAt : now
  return [{ kind: 'mail.deferred', at: now, mailId: held.mail.id, attempts: held.attempts, dueAt }]
}

function finish(
  queue: Stock,
  { held, flight }: Pick<Case, 'held' | 'flight'>,
  end: 'delivered' | 'failed' | 'given-up',
  now: number,
): QueueEvent[] {
  if (end === 'delivered') {
    const lane = queue.lanes.get(flight.lane)
    note(queue.rates, 'out', now)
    if (lane !== undefined) note(lane.rates, 'out', now)
  }
  return endMail(queue, held, end, now)
}

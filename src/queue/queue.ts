/**
 * queue - mail that waits to be delivered, and when it may go
 *
 * One mutable value, owned by whoever holds it. Its functions are exact: the same seed and the same calls give the same run, to the
 * byte; they know no clock (`now` is an argument and never runs backwards) and no chance but the seed. The caller's loop:
 *
 *     const queue = createQueue({ policy: POLICIES.default, seed: 1, pools: { '*': ['192.0.2.1'] } })
 *     offer(queue, mail, now)                                     → false for a mail that it already has
 *     const { dispatches, events } = nextDispatch(queue, now, 20)  → at most 20 attempts to make now; time passes here
 *     answer(queue, dispatch.number, { kind: 'accepted' }, now)   → events: what became of the mail, which keys moved (queue/schedule/attempt-result)
 *     report(queue, { kind: 'complaint', account: 7 }, now)       → events: what came back later about an account's mail (queue/schedule/attempt-result)
 *     nextWake(queue, now)                                        → call nextDispatch again by then; null: nothing is due
 *     operate(queue, { kind: 'recover', account: 7, domain: null, how: 'immediate' }, now)  → events
 *     episodesOf(queue), placeEpisodes(queue, episodes, now)      → what is known of keys, for a store (queue/snapshot)
 *     statusOfLane(queue, lane, now)                              → what an operator sees (queue/observe/lane-view)
 *
 * Each mail ends by exactly one `mail.ended`. An answer to a dispatch that is not in flight does nothing.
 */
import { peek } from './schedule/fifo.ts'
import { passGate } from './backoff/key-state.ts'
import { countWaiting, makeReady, rest, streamOf } from './schedule/lane.ts'
import type { Mail, QueueEvent } from './message.ts'
import {
  type Command,
  deleteWaiting,
  endManual,
  pauseByHand,
  recoverKey,
  recoverLanes,
  setRate,
  setWarmUp,
} from './schedule/operator-commands.ts'
import { giveUp, isLookDue, lineUp } from './schedule/expiry.ts'
import { note } from './observe/throughput.ts'
import { RETRY } from './schedule/retry.ts'
import { emptyStock, type Held, type QueueOptions, type Stock } from './queue-state.ts'
import { sweep, SWEEP_EVERY } from './schedule/garbage-collect.ts'
import { takeTimer } from './schedule/timer-heap.ts'
import { type Sent, takeTurns } from './schedule/dispatch.ts'

export type Queue = Stock

/** A queue in which nothing waits. */
export function createQueue(options: QueueOptions): Queue {
  return emptyStock(options, options.retry ?? RETRY.default)
}

/** One value for the many that nobody refused. */
const NOBODY: readonly string[] = []

/** Mail that was accepted longer ago waited elsewhere: after a restart it does not come in again. */
const CAME_NOW = 60_000

/** Takes a mail in. False, and nothing is done, for one that is in the queue already. Fault `config_invalid` where its account has no IP. */
export function offer(queue: Queue, mail: Mail, now: number): boolean {
  if (queue.mails.has(mail.id)) return false
  const refusedBy = mail.refusedBy ?? NOBODY
  const stream = streamOf(queue, mail, refusedBy)
  const held: Held = {
    mail,
    stream: stream.id,
    place: 'resting',
    attempts: mail.attempts,
    dueAt: mail.dueAt,
    last: null,
    refusedBy,
  }
  queue.mails.set(mail.id, held)
  countWaiting(queue, stream, 1)
  const lane = queue.lanes.get(stream.lane)
  if (lane !== undefined) lineUp(queue, lane, held)
  if (now - mail.acceptedAt < CAME_NOW) {
    note(queue.rates, 'in', now)
    if (lane !== undefined) note(lane.rates, 'in', now)
  }
  if (mail.dueAt <= now) makeReady(queue, held)
  else rest(queue, held)
  return true
}

/** Lets time pass until now, and hands out at most `capacity` attempts that are to be made now. */
export function nextDispatch(queue: Queue, now: number, capacity: number): Sent {
  const sent: Sent = { dispatches: [], events: [] }
  if (now - queue.sweptAt >= SWEEP_EVERY) sweep(queue, now)
  ring(queue, sent.events, now)
  takeTurns(queue, sent, capacity, now)
  return sent
}

/** Everything whose moment has come. */
function ring(queue: Queue, events: QueueEvent[], now: number): void {
  for (let next = queue.timers[0]; next !== undefined && next.at <= now; next = queue.timers[0]) {
    takeTimer(queue.timers)
    if (next.what === 'mail') {
      const held = queue.mails.get(next.id)
      if (held !== undefined && held.place === 'resting' && held.dueAt === next.at) makeReady(queue, held)
      continue
    }
    if (next.what === 'lane') {
      giveUp(queue, next.id, events, now)
      continue
    }
    const gate = queue.gates.get(next.id)
    if (gate === undefined || gate.timerAt !== next.at) continue
    gate.timerAt = null
    queue.hot.add(gate.id)
    if (gate.manual !== null && gate.manual.until <= now) events.push(...endManual(queue, gate, now, 'time'))
    events.push(...passGate(queue, gate, now))
  }
}

/** When nextDispatch should be called again at the latest, but for an answer or an offer; null: never. Not before `now`. */
export function nextWake(queue: Queue, now: number): number | null {
  if (queue.current !== null || peek(queue.ring) !== undefined) return now
  for (const key of queue.hot) if ((queue.gates.get(key)?.waiters.size ?? 0) > 0) return now
  dropStale(queue)
  const at = queue.timers[0]?.at
  return at === undefined ? null : Math.max(now, at)
}

/** Timers that no longer hold would wake the caller for nothing. */
function dropStale(queue: Queue): void {
  for (let next = queue.timers[0]; next !== undefined; next = queue.timers[0]) {
    const held = next.what === 'mail' ? queue.mails.get(next.id) : undefined
    const isMail = held !== undefined && held.place === 'resting' && held.dueAt === next.at
    const isGate = next.what === 'gate' && queue.gates.get(next.id)?.timerAt === next.at
    const isLane = next.what === 'lane' && isLookDue(queue, next.id, next.at)
    if (isMail || isGate || isLane) return
    takeTimer(queue.timers)
  }
}

/** Does what an operator asks. Fault `bad_request` for what cannot be asked. */
export function operate(queue: Queue, command: Command, now: number): QueueEvent[] {
  switch (command.kind) {
    case 'pause':
      return pauseByHand(queue, command, now)
    case 'recover':
      return recoverLanes(queue, command, now)
    case 'recover-key':
      return recoverKey(queue, command, now)
    case 'delete':
      return deleteWaiting(queue, command, now)
    case 'rate':
      return setRate(queue, command, now)
    case 'warm-up':
      return setWarmUp(queue, command, now)
  }
}

/**
 * expiry - mail that is too old ends as it is
 *
 * Each lane has a line of its mail, the oldest in front, and one moment at which its front is looked at: a look costs the same however many
 * wait. A mail that somebody holds keeps its place in front, and is looked at again later. Mutates the stock that it is given.
 *
 * See also: queue/schedule/hold-time (when a mail is too old), queue/queue (who calls), queue/schedule/attempt-result (mail in flight).
 */
import { deadlineOf } from './hold-time.ts'
import { type Fifo, peek, push, shift, sizeOf } from './fifo.ts'
import { endMail } from './lane.ts'
import type { MailId, QueueEvent } from '../message.ts'
import type { Held, Lane, Stock } from '../queue-state.ts'
import { setTimer } from './timer-heap.ts'

/** Room for ids of mails that are gone, before a line is cleared of them. */
const GONE_SLACK = 64

/** When mail that a person holds is looked at again: late by less than the chance that it has then. */
const HELD_MS = 3_600_000

/** When mail in flight is: an attempt is soon over. */
const FLIGHT_MS = 60_000

/** The front; those that are gone are passed over. */
function frontOf({ mails }: Stock, { oldest }: Lane): Held | null {
  for (let id = peek(oldest); id !== undefined; id = peek(oldest)) {
    const held = mails.get(id)
    if (held !== undefined) return held
    shift(oldest)
  }
  return null
}

/** To the end of its lane's line. What is gone leaves it when the line is twice as long as what there is. */
export function lineUp(queue: Stock, lane: Lane, held: Held): void {
  if (sizeOf(lane.oldest) > 2 * (lane.waiting + lane.inFlight) + GONE_SLACK) clear(queue, lane.oldest)
  push(lane.oldest, held.mail.id)
  if (lane.lookAt === null) lookAgain(queue, lane, momentOf(queue, held, held.mail.acceptedAt))
}

function clear({ mails }: Stock, line: Fifo<MailId>): void {
  line.items = line.items.slice(line.head).filter((id) => mails.has(id))
  line.head = 0
}

/** When a mail that is not too old yet is looked at again. */
function momentOf(queue: Stock, held: Held, now: number): number {
  const deadline = deadlineOf(queue, held)
  return deadline === Infinity ? Math.max(now + HELD_MS, held.mail.acceptedAt + queue.retry.giveUpMs) : deadline
}

function lookAgain(queue: Stock, lane: Lane, at: number | null): void {
  lane.lookAt = at
  // Of one moment a look comes first: its number is no number of the queue, which chance hangs on.
  if (at !== null) setTimer(queue.timers, { at, n: 0, what: 'lane', id: lane.id })
}

/** Whether a moment that was set for a lane still holds. One whose mail is gone is set anew. */
export function isLookDue(queue: Stock, id: string, at: number): boolean {
  const lane = queue.lanes.get(id)
  if (lane === undefined || lane.lookAt !== at) return false
  const held = frontOf(queue, lane)
  const next = held === null ? null : Math.max(at, held.mail.acceptedAt + queue.retry.giveUpMs)
  if (next === at) return true
  lookAgain(queue, lane, next)
  return false
}

/** Looks at a lane whose moment it is: what is too old ends. What is in flight is looked at when its answer comes. */
export function giveUp(queue: Stock, id: string, events: QueueEvent[], now: number): void {
  const lane = queue.lanes.get(id)
  if (lane === undefined || lane.lookAt === null || lane.lookAt > now) return
  for (let held = frontOf(queue, lane); held !== null; held = frontOf(queue, lane)) {
    const at = momentOf(queue, held, now)
    if (at > now || held.place === 'flight') return lookAgain(queue, lane, Math.max(at, now + (held.place === 'flight' ? FLIGHT_MS : 0)))
    shift(lane.oldest)
    events.push(...endMail(queue, held, 'given-up', now))
  }
  lookAgain(queue, lane, null)
}

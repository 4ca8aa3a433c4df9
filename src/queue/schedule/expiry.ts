/**
 * expiry - mail that is too old ends as it is
 *
 * Each lane has a line of its mail, the oldest in front, and one moment at which its front is looked at: a look costs the same however many
 * wait. A mail that somebody holds keeps its place in front, and is looked at again later. Mutates the stock that it is given.
 *
 * See also: queue/schedule/hold-time (when a mail is too old), queue/queue (who calls), queue/schedule/attempt-result (mail in flight).
 */
import { deadlineFor } from './hold-time.ts'
import { type Fifo, peek, push, shift, sizeOf } from './fifo.ts'
import { removeEntry } from './lane.ts'
import type { MailId, QueueEvent } from '../message.ts'
import type { QueueEntry, Lane, QueueState } from '../queue-state.ts'
import { pushTimer } from './timer-heap.ts'

/** Room for ids of mails that are gone, before a line is cleared of them. */
const REMOVED_SLACK = 64

/** When mail that a person holds is looked at again: late by less than the chance that it has then. */
const HELD_RECHECK_MS = 3_600_000

/** When mail in flight is: an attempt is soon over. */
const IN_FLIGHT_RECHECK_MS = 60_000

/** The front; those that are gone are passed over. */
function oldestEntry({ entries }: QueueState, { expiryOrder }: Lane): QueueEntry | null {
  for (let id = peek(expiryOrder); id !== undefined; id = peek(expiryOrder)) {
    const entry = entries.get(id)
    if (entry !== undefined) return entry
    shift(expiryOrder)
  }
  return null
}

/** To the end of its lane's line. What is gone leaves it when the line is twice as long as what there is. */
export function trackExpiry(queue: QueueState, lane: Lane, entry: QueueEntry): void {
  if (sizeOf(lane.expiryOrder) > 2 * (lane.waiting + lane.inFlight) + REMOVED_SLACK) removeGone(queue, lane.expiryOrder)
  push(lane.expiryOrder, entry.message.id)
  if (lane.expiryCheckAt === null) scheduleExpiryCheck(queue, lane, nextCheckAt(queue, entry, entry.message.acceptedAt))
}

function removeGone({ entries }: QueueState, fifo: Fifo<MailId>): void {
  fifo.items = fifo.items.slice(fifo.head).filter((id) => entries.has(id))
  fifo.head = 0
}

/** When a mail that is not too old yet is looked at again. */
function nextCheckAt(queue: QueueState, entry: QueueEntry, now: number): number {
  const deadline = deadlineFor(queue, entry)
  return deadline === Infinity ? Math.max(now + HELD_RECHECK_MS, entry.message.acceptedAt + queue.retrySchedule.giveUpMs) : deadline
}

function scheduleExpiryCheck(queue: QueueState, lane: Lane, at: number | null): void {
  lane.expiryCheckAt = at
  // Of one moment a look comes first: its number is no number of the queue, which chance hangs on.
  if (at !== null) pushTimer(queue.timers, { at, n: 0, what: 'lane', id: lane.id })
}

/** Whether a moment that was set for a lane still holds. One whose mail is gone is set anew. */
export function isExpiryCheckDue(queue: QueueState, id: string, at: number): boolean {
  const lane = queue.lanes.get(id)
  if (lane === undefined || lane.expiryCheckAt !== at) return false
  const entry = oldestEntry(queue, lane)
  const next = entry === null ? null : Math.max(at, entry.message.acceptedAt + queue.retrySchedule.giveUpMs)
  if (next === at) return true
  scheduleExpiryCheck(queue, lane, next)
  return false
}

/** Looks at a lane whose moment it is: what is too old ends. What is in flight is looked at when its answer comes. */
export function expireLane(queue: QueueState, id: string, events: QueueEvent[], now: number): void {
  const lane = queue.lanes.get(id)
  if (lane === undefined || lane.expiryCheckAt === null || lane.expiryCheckAt > now) return
  for (let entry = oldestEntry(queue, lane); entry !== null; entry = oldestEntry(queue, lane)) {
    const at = nextCheckAt(queue, entry, now)
    if (at > now || entry.state === 'flight')
      return scheduleExpiryCheck(queue, lane, Math.max(at, now + (entry.state === 'flight' ? IN_FLIGHT_RECHECK_MS : 0)))
    shift(lane.expiryOrder)
    events.push(...removeEntry(queue, entry, 'given-up', now))
  }
  scheduleExpiryCheck(queue, lane, null)
}

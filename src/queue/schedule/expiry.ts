/**
 * expiry - gives up messages whose lifetime is over
 *
 * Each lane keeps its messages in a FIFO, the oldest first, and one moment at which the front is checked: a check costs the same for any
 * number of waiting messages. A held message stays at the front and is checked again later. Where a person paused a label, messages of the lane do not expire in
 * the order in which they were accepted: all of them are checked once an hour. Mutates the queue.
 *
 * See also: queue/schedule/hold-time (when a message expires), queue/queue (calls it), queue/schedule/attempt-result (messages in flight).
 */
import { deadlineFor } from './hold-time.ts'
import { appended, peek, shift, sizeOf } from './fifo.ts'
import { removeFromQueue } from './lane.ts'
import type { MailId, QueueEvent } from '../message.ts'
import type { QueueEntry, Lane, QueueState } from '../queue-state.ts'
import { retryScheduleOf } from '../shaping/limits-in-force.ts'
import { idsOf } from '../id-set.ts'
import { pushTimer } from './timer-heap.ts'

/** How many ids of removed messages a FIFO may hold beyond twice its size before they are dropped. */
const REMOVED_SLACK = 64

/** When a held message is checked again: the delay is short compared with the time that it gets after the hold. */
const HELD_RECHECK_MS = 3_600_000

/** When a message in flight is checked again: an attempt takes minutes at most. */
const IN_FLIGHT_RECHECK_MS = 60_000

/** The oldest message of a lane. Drops the ids of removed messages in front of it. */
function oldestEntry({ entries }: QueueState, { expiryOrder }: Lane): QueueEntry | null {
  for (let id = peek(expiryOrder); id !== undefined; id = peek(expiryOrder)) {
    const entry = entries.get(id)
    if (entry !== undefined) return entry
    shift(expiryOrder)
  }
  return null
}

/** Appends a message to its lane's FIFO. Drops removed messages when the FIFO is twice as long as the lane. */
export function trackExpiry(queue: QueueState, lane: Lane, entry: QueueEntry): void {
  if (sizeOf(lane.expiryOrder) > 2 * (lane.waiting + lane.inFlight) + REMOVED_SLACK) removeGone(queue, lane)
  lane.expiryOrder = appended(lane.expiryOrder, entry.message.id)
  if (lane.expiryCheckAt === null) scheduleExpiryCheck(queue, lane, firstCheckAt(queue, lane, entry))
}

/** Whether a label of the lane is, or was, paused alone. */
const isMixed = ({ streams }: QueueState, lane: Lane): boolean =>
  [...idsOf(lane.streams)].some((id) => (streams.get(id)?.label ?? null) !== null)

function firstCheckAt(queue: QueueState, lane: Lane, entry: QueueEntry): number {
  const { acceptedAt, site } = entry.message
  return isMixed(queue, lane) ? acceptedAt + retryScheduleOf(queue, site).giveUpMs : nextCheckAt(queue, entry, acceptedAt)
}

/** The messages of a lane in the order in which they were accepted, and removed ones. */
const idsInOrder = ({ expiryOrder: order }: Lane): readonly MailId[] => (order === null ? [] : order.items.slice(order.head))

function removeGone({ entries }: QueueState, lane: Lane): void {
  const items = idsInOrder(lane).filter((id) => entries.has(id))
  lane.expiryOrder = items.length === 0 ? null : { items, head: 0 }
}

/** When a message is checked. */
function nextCheckAt(queue: QueueState, entry: QueueEntry, now: number): number {
  const deadline = deadlineFor(queue, entry)
  return deadline === Infinity
    ? Math.max(now + HELD_RECHECK_MS, entry.message.acceptedAt + retryScheduleOf(queue, entry.message.site).giveUpMs)
    : deadline
}

function scheduleExpiryCheck(queue: QueueState, lane: Lane, at: number | null): void {
  lane.expiryCheckAt = at
  // The check takes no sequence number, because random numbers depend on those. Of one moment it comes first.
  if (at !== null) pushTimer(queue.timers, { at, order: 0, kind: 'lane', id: lane.id })
}

/** Whether the timer of a lane still holds. Sets it again if its message has left the queue. */
export function isExpiryCheckDue(queue: QueueState, id: string, at: number): boolean {
  const lane = queue.lanes.get(id)
  if (lane === undefined || lane.expiryCheckAt !== at) return false
  const entry = oldestEntry(queue, lane)
  const next = entry === null ? null : Math.max(at, entry.message.acceptedAt + retryScheduleOf(queue, entry.message.site).giveUpMs)
  if (next === at) return true
  scheduleExpiryCheck(queue, lane, next)
  return false
}

/** Gives up the expired messages of a lane whose check is due. A message in flight is checked again with its result. */
export function expireLane(queue: QueueState, id: string, events: QueueEvent[], now: number): void {
  const lane = queue.lanes.get(id)
  if (lane === undefined || lane.expiryCheckAt === null || lane.expiryCheckAt > now) return
  if (isMixed(queue, lane)) return expireMixedLane(queue, lane, events, now)
  for (let entry = oldestEntry(queue, lane); entry !== null; entry = oldestEntry(queue, lane)) {
    const at = nextCheckAt(queue, entry, now)
    if (at > now || entry.state === 'in-flight')
      return scheduleExpiryCheck(queue, lane, Math.max(at, now + (entry.state === 'in-flight' ? IN_FLIGHT_RECHECK_MS : 0)))
    shift(lane.expiryOrder)
    events.push(...removeFromQueue(queue, entry, 'given-up', now))
  }
  scheduleExpiryCheck(queue, lane, null)
}

/** Checks all messages of a lane, in whatever order they expire. */
function expireMixedLane(queue: QueueState, lane: Lane, events: QueueEvent[], now: number): void {
  for (const id of idsInOrder(lane)) {
    const entry = queue.entries.get(id)
    if (entry === undefined || entry.state === 'in-flight' || nextCheckAt(queue, entry, now) > now) continue
    events.push(...removeFromQueue(queue, entry, 'given-up', now))
  }
  removeGone(queue, lane)
  scheduleExpiryCheck(queue, lane, sizeOf(lane.expiryOrder) === 0 ? null : now + HELD_RECHECK_MS)
}

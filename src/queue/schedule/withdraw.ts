/**
 * withdraw - removes a message that the store no longer has
 *
 * Before each attempt the store may show that a message is gone: an operator removed it, or another node ended it. It is removed as if it had
 * never been there, in whatever state it is. Mutates the queue.
 *
 * See also: queue/schedule/attempt-result, service/deliver/deliverer (reads the store).
 */
import { applyAttemptResult } from './attempt-result.ts'
import { removeFromQueue } from './lane.ts'
import type { MailId, QueueEvent } from '../message.ts'
import type { QueueState } from '../queue-state.ts'

/** Removes a message. Returns the events of other messages and keys; none for a message that is not in the queue. */
export function withdrawMessage(queue: QueueState, id: MailId, now: number): QueueEvent[] {
  queue.scheduled.delete(id)
  const recalled = queue.entries.get(id)?.state === 'in-flight' ? recallInFlight(queue, id, now) : []
  const entry = queue.entries.get(id)
  const ended = entry === undefined ? [] : removeFromQueue(queue, entry, 'deleted', now)
  return [...recalled, ...ended].filter((event) => !('mailId' in event && event.mailId === id))
}

function recallInFlight(queue: QueueState, id: MailId, now: number): QueueEvent[] {
  const attempt = [...queue.inFlightAttempts.values()].find(({ dispatch }) => dispatch.mailId === id)
  return attempt === undefined ? [] : applyAttemptResult(queue, attempt.dispatch.number, { kind: 'recalled' }, now)
}

/**
 * send-time - messages that the sender wants sent at a later time
 *
 * Until its send time a message is in no stream and no lane: it takes no share, counts for no limit and no probe, and does not expire. At its send time it is
 * enqueued like a message that was accepted at that moment, so that its lifetime starts then. A message that was tried already is deferred like any other.
 *
 * Mutates the queue. See also: queue/queue (enqueues), queue/schedule/retry (deferred messages), service/submit/send-header.
 */
import type { MailId, QueueEvent, QueueMessage } from '../message.ts'
import { nextSequenceNumber, type QueueState } from '../queue-state.ts'
import { pushTimer } from './timer-heap.ts'

/** Whether a message waits for its send time. */
export const isBeforeSendTime = ({ requestedAt, attempts, dueAt }: QueueMessage, now: number): boolean =>
  requestedAt !== undefined && attempts === 0 && dueAt > now

/** Keeps a message until its send time. */
export function keepUntilSendTime(queue: QueueState, message: QueueMessage): void {
  queue.scheduled.set(message.id, message)
  pushTimer(queue.timers, { at: message.dueAt, order: nextSequenceNumber(queue), kind: 'send-time', id: message.id })
}

/** Removes and returns the message whose send time has come; null: it was deleted, or the timer is of an earlier stay. */
export function takeAtSendTime(queue: QueueState, id: MailId, now: number): QueueMessage | null {
  const message = queue.scheduled.get(id)
  if (message === undefined || message.dueAt > now) return null
  queue.scheduled.delete(id)
  return message
}

/** Deletes the messages before their send time for which the test holds. */
export function deleteScheduled(queue: QueueState, isMatch: (message: QueueMessage) => boolean, now: number): QueueEvent[] {
  const matching = [...queue.scheduled.values()].filter(isMatch)
  for (const { id } of matching) queue.scheduled.delete(id)
  return matching.map(({ id: mailId, attempts }) => {
    return { kind: 'mail.ended', at: now, mailId, end: 'deleted', attempts, last: null, blockingKey: null }
  })
}

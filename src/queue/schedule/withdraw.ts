/**
 * withdraw - mail leaves the queue because nobody has it any more
 *
 * The store is asked before each attempt, and it may know that a mail is gone: removed by hand, or ended by another node. It is taken
 * out as if it had never been there, whatever it was doing. Mutates the stock that it is given.
 *
 * See also: queue/schedule/attempt-result, service/deliver/deliverer (who asks the store).
 */
import { applyAttemptResult } from './attempt-result.ts'
import { removeEntry } from './lane.ts'
import type { MailId, QueueEvent } from '../message.ts'
import type { QueueState } from '../queue-state.ts'

/** Takes a mail out. What moved by it; nothing of the mail itself, and nothing for one that is not there. */
export function withdrawMessage(queue: QueueState, id: MailId, now: number): QueueEvent[] {
  const recalled = queue.entries.get(id)?.state === 'flight' ? recallInFlight(queue, id, now) : []
  const entry = queue.entries.get(id)
  const ended = entry === undefined ? [] : removeEntry(queue, entry, 'deleted', now)
  return [...recalled, ...ended].filter((event) => !('mailId' in event && event.mailId === id))
}

function recallInFlight(queue: QueueState, id: MailId, now: number): QueueEvent[] {
  const attempt = [...queue.inFlightAttempts.values()].find(({ dispatch }) => dispatch.mailId === id)
  return attempt === undefined ? [] : applyAttemptResult(queue, attempt.dispatch.number, { kind: 'recalled' }, now)
}

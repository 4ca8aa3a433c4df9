/**
 * withdraw - mail leaves the queue because nobody has it any more
 *
 * The store is asked before each attempt, and it may know that a mail is gone: removed by hand, or ended by another node. It is taken
 * out as if it had never been there, whatever it was doing. Mutates the stock that it is given.
 *
 * See also: queue/schedule/attempt-result, service/deliver/deliverer (who asks the store).
 */
import { answer } from './attempt-result.ts'
import { endMail } from './lane.ts'
import type { MailId, QueueEvent } from '../message.ts'
import type { Stock } from '../queue-state.ts'

/** Takes a mail out. What moved by it; nothing of the mail itself, and nothing for one that is not there. */
export function withdraw(queue: Stock, id: MailId, now: number): QueueEvent[] {
  const recalled = queue.mails.get(id)?.place === 'flight' ? recall(queue, id, now) : []
  const held = queue.mails.get(id)
  const ended = held === undefined ? [] : endMail(queue, held, 'deleted', now)
  return [...recalled, ...ended].filter((event) => !('mailId' in event && event.mailId === id))
}

function recall(queue: Stock, id: MailId, now: number): QueueEvent[] {
  const flight = [...queue.flights.values()].find(({ dispatch }) => dispatch.mailId === id)
  return flight === undefined ? [] : answer(queue, flight.dispatch.number, { kind: 'recalled' }, now)
}

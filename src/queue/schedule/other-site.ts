/**
 * other-site - attempts that a host of another site answered than the one for which they were dispatched
 *
 * The MX hosts of a domain may belong to several sites. Its messages wait at the keys of one of them; the reply of a host counts for the keys of its own site.
 * Mutates the queue. See also: queue/backoff/feedback, queue/schedule/attempt-result, service/deliver/shaping/mx-hosts.
 */
import { findClosedBlocker } from '../observe/blocking-key.ts'
import { BACKOFF_KEYS, type EgressRoute } from '../backoff/backoff-key.ts'
import type { InFlightAttempt, QueueState } from '../queue-state.ts'

/** Whether the keys of the egress IP at a site let a message through now. */
export const isSiteOpen = (queue: QueueState, to: EgressRoute, now: number): boolean =>
  findClosedBlocker(queue, [BACKOFF_KEYS.ip(to), BACKOFF_KEYS.connection(to)], now) === null

/** Records which site answered an attempt in flight, before its result is applied. */
export function recordAnsweringSite(queue: QueueState, number: number, answeredBy: NonNullable<InFlightAttempt['answeredBy']>): void {
  const attempt = queue.inFlightAttempts.get(number)
  if (attempt !== undefined) queue.inFlightAttempts.set(number, { ...attempt, answeredBy })
}

/**
 * concurrency-limiter - learns how many simultaneous connections a site accepts from an egress IP
 *
 * There is no limit until the site refuses a connection as one too many. Then the limit is half of the open connections, and is halved again
 * at each further refusal. Clean replies raise it one by one. Without it every recovery would end at the number that was refused before.
 *
 * Pure values. See also: queue/backoff/backoff-classes (`halves`), queue/backoff/rate-limiter (messages a minute), queue/backoff/feedback.
 */

/** The limit, in fractions. Results of dispatches up to `epoch` are older than it. The members are final: released stores hold them. */
export type ConcurrencyLimit = { readonly most: number; readonly epoch: number; readonly halvedAt: number }

/** Clean replies per connection that add one: a site with capacity gets it in minutes, and one without is seldom tried. */
const REPLIES_PER_CONNECTION = 20
/** Connection limits are server settings: people change them within days. */
const FORGET_MS = 7 * 24 * 3_600_000

type ConcurrencyFeedback = {
  readonly dispatchNumber: number
  /** The site refused because of too many connections. */
  readonly isOverLimit: boolean
  /** The open connections, this one included. */
  readonly openConnections: number
}

/** The limit after a result, at least 1; null: no limit is known. */
export function learnConcurrency(
  limit: ConcurrencyLimit | null,
  { dispatchNumber, isOverLimit, openConnections }: ConcurrencyFeedback,
  { now, epoch }: { readonly now: number; readonly epoch: number },
): ConcurrencyLimit | null {
  if (limit === null) return isOverLimit ? { most: Math.max(1, openConnections / 2), epoch, halvedAt: now } : null
  if (dispatchNumber <= limit.epoch) return limit
  if (isOverLimit) return { most: Math.max(1, Math.min(limit.most, openConnections) / 2), epoch, halvedAt: now }
  if (now - limit.halvedAt >= FORGET_MS) return null
  return { ...limit, most: limit.most + 1 / (REPLIES_PER_CONNECTION * limit.most) }
}

/**
 * concurrency-limiter - how many connections at once a site takes from an IP: a number that it learns
 *
 * Nothing is limited until a site says that there are too many: then half of those that were open, and half again if it goes on; clean
 * answers add one at a time. Without it every recovery would end at the number that was refused before.
 *
 * Pure values. See also: queue/backoff/backoff-classes (`halves`), queue/backoff/rate-limiter (the same for mails a minute), queue/backoff/key-state.
 */

/** At most so many at once, in fractions; answers to dispatches up to `epoch` are older than it. */
export type ConcurrencyLimit = { readonly most: number; readonly epoch: number; readonly halvedAt: number }

/** So many clean answers on each connection add one: a site that has room is found out in minutes, and one that has none is asked seldom. */
const ANSWERS_PER_CONNECTION = 20
/** Limits of connections are settings of servers: they are changed by people, in days. */
const FORGET_MS = 7 * 24 * 3_600_000

export type ConcurrencyFeedback = {
  readonly dispatchNumber: number
  /** The site says that there are too many. */
  readonly isOverLimit: boolean
  /** How many were open, this one included. */
  readonly openConnections: number
}

/** What an answer teaches. Null: nothing is known. Never below one. */
export function learnConcurrency(
  limit: ConcurrencyLimit | null,
  { dispatchNumber, isOverLimit, openConnections }: ConcurrencyFeedback,
  { now, epoch }: { readonly now: number; readonly epoch: number },
): ConcurrencyLimit | null {
  if (limit === null) return isOverLimit ? { most: Math.max(1, openConnections / 2), epoch, halvedAt: now } : null
  if (dispatchNumber <= limit.epoch) return limit
  if (isOverLimit) return { most: Math.max(1, Math.min(limit.most, openConnections) / 2), epoch, halvedAt: now }
  if (now - limit.halvedAt >= FORGET_MS) return null
  return { ...limit, most: limit.most + 1 / (ANSWERS_PER_CONNECTION * limit.most) }
}

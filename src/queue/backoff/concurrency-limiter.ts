/**
 * concurrency-limiter - how many connections at once a site takes from an IP: a number that it learns
 *
 * Nothing is limited until a site says that there are too many: then half of those that were open, and half again if it goes on; clean
 * answers add one at a time. Without it every recovery would end at the number that was refused before.
 *
 * Pure values. See also: queue/backoff/backoff-classes (`halves`), queue/backoff/rate-limiter (the same for mails a minute), queue/backoff/key-state.
 */

/** At most so many at once, in fractions; answers to dispatches up to `epoch` are older than it. */
export type Breadth = { readonly most: number; readonly epoch: number; readonly halvedAt: number }

/** So many clean answers on each connection add one: a site that has room is found out in minutes, and one that has none is asked seldom. */
const ANSWERS_EACH = 20
/** Limits of connections are settings of servers: they are changed by people, in days. */
const FORGET = 7 * 24 * 3_600_000

export type BreadthHeard = {
  readonly number: number
  /** The site says that there are too many. */
  readonly asks: boolean
  /** How many were open, this one included. */
  readonly open: number
}

/** What an answer teaches. Null: nothing is known. Never below one. */
export function learnBreadth(
  breadth: Breadth | null,
  { number, asks, open }: BreadthHeard,
  { now, epoch }: { readonly now: number; readonly epoch: number },
): Breadth | null {
  if (breadth === null) return asks ? { most: Math.max(1, open / 2), epoch, halvedAt: now } : null
  if (number <= breadth.epoch) return breadth
  if (asks) return { most: Math.max(1, Math.min(breadth.most, open) / 2), epoch, halvedAt: now }
  if (now - breadth.halvedAt >= FORGET) return null
  return { ...breadth, most: breadth.most + 1 / (ANSWERS_EACH * breadth.most) }
}

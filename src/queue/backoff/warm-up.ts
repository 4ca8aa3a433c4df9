/**
 * warm-up - how much a new IP may send a site on each of its days
 *
 * A site trusts an address by what it has seen of it. The day is UTC's, counted from the start; after the last row there is no limit.
 * Pure data. See also: queue/backoff/key-state (who counts).
 */

/** Mails to one site on the first, second, … day. */
const WARM_UP_SCHEDULE = [200, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 25_000, 40_000, 60_000, 90_000, 130_000, 180_000, 250_000] as const

const DAY_MS = 86_400_000

/** How many mails the IP may send a site today; null: no limit. */
export function warmUpAllowance(startedAt: number, now: number): number | null {
  const day = Math.max(0, Math.floor(now / DAY_MS) - Math.floor(startedAt / DAY_MS))
  return WARM_UP_SCHEDULE[day] ?? null
}

/** The start of the UTC day of a moment. */
export const startOfUtcDay = (now: number): number => Math.floor(now / DAY_MS) * DAY_MS

/** When the next UTC day begins. */
export const startOfNextUtcDay = (now: number): number => startOfUtcDay(now) + DAY_MS

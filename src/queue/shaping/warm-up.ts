/**
 * warm-up - the schedule of a new egress IP: how much it may send to a site on each day
 *
 * A site trusts an IP by what it has received from it. Days are UTC days from the start; after the last row there is no limit.
 * Pure data. See also: queue/backoff/send-budget, queue/schedule/dispatch (counts).
 */

/** Messages to one site on the first, second, … day. */
const WARM_UP_SCHEDULE = [200, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 25_000, 40_000, 60_000, 90_000, 130_000, 180_000, 250_000] as const

const DAY_MS = 86_400_000

/** How many messages the IP may send to a site today; null: no limit. */
export function warmUpAllowance(startedAt: number, now: number): number | null {
  const day = Math.max(0, Math.floor(now / DAY_MS) - Math.floor(startedAt / DAY_MS))
  return WARM_UP_SCHEDULE[day] ?? null
}

/** The start of the UTC day that contains a moment. */
export const startOfUtcDay = (now: number): number => Math.floor(now / DAY_MS) * DAY_MS

/** The start of the next UTC day. */
export const startOfNextUtcDay = (now: number): number => startOfUtcDay(now) + DAY_MS

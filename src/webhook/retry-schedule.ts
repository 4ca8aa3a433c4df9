/**
 * retry-schedule - when a webhook that was not heard is sent again
 *
 * Pure. See also: service/notify/notifier, docs/WEBHOOKS.md.
 */

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const SHORT_DELAYS_MS = [1, 2, 4, 8, 16].map((n) => n * MINUTE_MS)

/** Rests between attempts. `standard` lasts three days, so that a receiver's lost weekday loses nothing. */
const RETRY_SCHEDULES = {
  vendor: SHORT_DELAYS_MS,
  standard: [...SHORT_DELAYS_MS, ...[1, 2, 4, 8, 12, 24, 24].map((n) => n * HOUR_MS)],
} as const satisfies Record<string, readonly number[]>

export type RetryScheduleName = keyof typeof RETRY_SCHEDULES

/** The rest after so many attempts that were not heard (1 and up); null: it has failed. */
export function retryDelayMs(schedule: RetryScheduleName, attempts: number): number | null {
  return RETRY_SCHEDULES[schedule][attempts - 1] ?? null
}

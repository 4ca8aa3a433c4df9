/**
 * retry-schedule - when a webhook that failed is sent again
 *
 * Pure. See also: service/notify/notifier, docs/WEBHOOKS.md.
 */

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const SHORT_DELAYS_MS = [1, 2, 4, 8, 16].map((n) => n * MINUTE_MS)

/** The delays between attempts. `standard` lasts three days, so that an outage over a weekend loses no event; `vendor` is SendCloud's schedule. */
const RETRY_SCHEDULES = {
  standard: [...SHORT_DELAYS_MS, ...[1, 2, 4, 8, 12, 24, 24].map((n) => n * HOUR_MS)],
  vendor: SHORT_DELAYS_MS,
} as const satisfies Record<string, readonly number[]>

export type RetryScheduleName = keyof typeof RETRY_SCHEDULES

/** All schedules. */
export const RETRY_SCHEDULE_NAMES: readonly RetryScheduleName[] = retryScheduleNames()

function retryScheduleNames(): readonly RetryScheduleName[] {
  // Checked cast: the keys of the literal above.
  return Object.keys(RETRY_SCHEDULES) as RetryScheduleName[]
}

/** The delay after this many failed attempts (1 or more); null if there is no further attempt. Pure. */
export function retryDelayMs(schedule: RetryScheduleName, attempts: number): number | null {
  return RETRY_SCHEDULES[schedule][attempts - 1] ?? null
}

/**
 * retry-schedule - when a webhook that was not heard is sent again
 *
 * Pure. See also: service/notify/notifier, docs/WEBHOOKS.md.
 */

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const SHORT = [1, 2, 4, 8, 16].map((n) => n * MINUTE)

/** Rests between attempts. `standard` lasts three days, so that a receiver's lost weekday loses nothing. */
const LADDERS = {
  vendor: SHORT,
  standard: [...SHORT, ...[1, 2, 4, 8, 12, 24, 24].map((n) => n * HOUR)],
} as const satisfies Record<string, readonly number[]>

export type LadderName = keyof typeof LADDERS

/** The rest after so many attempts that were not heard (1 and up); null: it has failed. */
export function restAfter(ladder: LadderName, attempts: number): number | null {
  return LADDERS[ladder][attempts - 1] ?? null
}

/**
 * provider-day - when a day ends in a place
 *
 * Providers count by their own midnight. It is found by asking what day it is there, so days of 23 and 25 hours are days too.
 *
 * Pure: the zone's table is the runtime's. See also: queue/backoff/backoff (daily quotas), simulator/provider-model.
 */
const HOUR_MS = 3_600_000

const formats = new Map<string, Intl.DateTimeFormat>()

/** Throws RangeError for what is no zone. */
function dateFormatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known !== undefined) return known
  const format = new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' })
  formats.set(zone, format)
  return format
}

/** Whether it is the name of an IANA time zone. Total. */
export function isTimeZone(zone: string): boolean {
  try {
    return dateFormatOf(zone).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

/**
 * The first moment of the next day there, to the second. Throws RangeError for what `isZone` refuses.
 *
 *     dayEnd(Date.UTC(2026, 0, 1, 12), 'Asia/Shanghai')   → 2026-01-01T16:00:00Z
 */
export function endOfProviderDay(at: number, zone: string): number {
  const format = dateFormatOf(zone)
  const today = format.format(at)
  let before = Math.floor(at / 1_000) * 1_000
  let after = before + HOUR_MS
  while (format.format(after) === today) {
    before = after
    after += HOUR_MS
  }
  while (after - before > 1_000) {
    const middle = before + Math.floor((after - before) / 2_000) * 1_000
    if (format.format(middle) === today) before = middle
    else after = middle
  }
  return after
}

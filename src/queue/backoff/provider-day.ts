/**
 * provider-day - the end of a calendar day in a time zone
 *
 * Providers count a daily quota by their own midnight. A day may have 23 or 25 hours, and a zone may skip a day.
 *
 * Pure: the rules of the zones are those of the runtime. See also: queue/backoff/backoff (daily quotas), simulator/provider-model.
 */

/** Whether a name is an IANA time zone. Total. */
export function isTimeZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

/**
 * Returns the first moment of the next day in a zone, in epoch milliseconds. Throws RangeError for a zone that `isTimeZone` refuses.
 *
 *     endOfProviderDay(Date.UTC(2026, 0, 1, 12), 'Asia/Shanghai')   → 2026-01-01T16:00:00Z
 */
export function endOfProviderDay(at: number, zone: string): number {
  const today = Temporal.Instant.fromEpochMilliseconds(Math.floor(at)).toZonedDateTimeISO(zone).toPlainDate()
  return today.add({ days: 1 }).toZonedDateTime(zone).epochMilliseconds
}

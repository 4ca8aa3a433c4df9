/**
 * timestamps - converts the timestamps of a value to ISO 8601 for output
 *
 * Internally, a timestamp is a number of milliseconds, and the name of its field identifies it.
 *
 * See also: http/server/fact-view, commands/store/export.
 */

/** The names of timestamp fields. */
const TIMESTAMP_NAME = /(?:At|Until)$|^(?:at|from|until|since)$/

/** The range of a Date. ECMA-262, Time Values. */
const MAX_TIMESTAMP_MS = 8_640_000_000_000_000

/** Converts a field and everything it contains. A timestamp of 0 (never) becomes null; a number out of range stays. Total. */
export function formatTimestamps(name: string, value: unknown): unknown {
  if (typeof value === 'number' && TIMESTAMP_NAME.test(name) && Math.abs(value) <= MAX_TIMESTAMP_MS)
    return value === 0 ? null : new Date(value).toISOString()
  if (Array.isArray(value)) return value.map((each: unknown) => formatTimestamps('', each))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([innerName, each]) => [innerName, formatTimestamps(innerName, each)]))
}

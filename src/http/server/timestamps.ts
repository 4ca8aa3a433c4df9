/**
 * timestamps - times in what goes out of a door: ISO 8601, whatever they are inside
 *
 * Inside, a moment is a number of milliseconds and its name says so. See also: http/server/fact-view, commands/store/export.
 */

/** Names that moments bear. */
const TIMESTAMP_NAME = /(?:At|Until)$|^(?:at|from|until|since)$/

/** What a Date can hold. ECMA-262, Time Values. */
const MAX_TIMESTAMP_MS = 8_640_000_000_000_000

/** A value as a door shows it, under its name; what it holds as well. Moments that never came (0) are null; what can be none stays. Total. */
export function formatTimestamps(name: string, value: unknown): unknown {
  if (typeof value === 'number' && TIMESTAMP_NAME.test(name) && Math.abs(value) <= MAX_TIMESTAMP_MS)
    return value === 0 ? null : new Date(value).toISOString()
  if (Array.isArray(value)) return value.map((each: unknown) => formatTimestamps('', each))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([innerName, each]) => [innerName, formatTimestamps(innerName, each)]))
}

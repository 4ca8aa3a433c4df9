/**
 * log-record - fields of a JSON object that another program wrote
 *
 * Pure, total.
 */
export type LogRecord = Readonly<Record<string, unknown>>

export const isLogRecord = (value: unknown): value is LogRecord => typeof value === 'object' && value !== null && !Array.isArray(value)

/** The object in a line; null: the line is not one. */
export function parseLogRecord(line: string): LogRecord | null {
  try {
    const value: unknown = JSON.parse(line)
    return isLogRecord(value) ? value : null
  } catch {
    return null
  }
}

/** Null: absent, or not a text. */
export function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

/** Null: absent, empty, or not a text. */
export const filledTextOf = (value: unknown): string | null => (value === '' ? null : textOf(value))

/** Null: absent, or not a whole number. */
export function wholeNumberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : null
}

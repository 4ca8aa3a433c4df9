/**
 * line-parser - the type of a parser of log lines
 *
 * Pure. See also: mta-log/log-formats (the table).
 */
import type { LogOutcome } from './log-outcome.ts'
import type { LogClock } from './log-time.ts'

type LineContext = {
  readonly clock: LogClock
  /** The columns that the last header line named, for formats that have one; empty: none. */
  readonly columns: readonly string[]
}

/**
 * Reads one line without its end. Null: the line is not of this format. Empty: nothing that matters. A header line gives its columns. Total.
 */
export type ParseLine = (line: string, context: LineContext) => readonly LogOutcome[] | { readonly columns: readonly string[] } | null

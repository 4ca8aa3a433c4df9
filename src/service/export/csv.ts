/**
 * csv - rows as CSV that a spreadsheet opens without running anything
 *
 * RFC 4180 by csv-stringify: CRLF, quotes where they are needed. What the library does not guard is guarded before it: a text that
 * a spreadsheet would take for a formula gets an apostrophe, by its first letter in ASCII or full width, also behind spaces, which
 * spreadsheets pass over (OWASP, CSV injection; the library's own `escape_formulas` looks at the first letter alone). Numbers stay numbers.
 * Controls and marks that turn the direction of text become visible signs: RFC 4180 has no place for them.
 *
 * See also: service/export/exporter, commands/store/export.
 */
import { stringify } from 'csv-stringify/sync'
import { toPrintable } from '../../telemetry.ts'

/** What begins a formula, as spreadsheets read it. */
const FORMULA = /^[\s\u00a0\u3000]*[=+\-@\uff1d\uff0b\uff0d\uff20|%]|^[\t\r\n]/u

/** What a cell may hold; other values are shown as JSON. */
export type Cell = string | number | boolean | null

/**
 * A text that no spreadsheet takes for a formula. Total.
 *
 *     guardCell('=cmd|x') → "'=cmd|x"
 *     guardCell('  +1') → "'  +1"
 */
export const guardCell = (text: string): string => toPrintable(FORMULA.test(text) ? `'${text}` : text)

// A bare line feed is no line end of ours, so that the library would not quote it; readers take it for one.
const OPTIONS = { record_delimiter: 'windows', quoted_match: /[\r\n]/, cast: { string: guardCell, boolean: String } } as const

/** Rows as lines, each ended by CRLF; of nothing the empty text. Total. */
export function csvLines(rows: readonly (readonly Cell[])[]): string {
  return stringify([...rows], OPTIONS)
}

/**
 * csv - formats rows as CSV that is safe to open in a spreadsheet
 *
 * RFC 4180 by csv-stringify: CRLF, and quotes where needed. Text that a spreadsheet would take for a formula gets a leading apostrophe. The
 * check covers ASCII and full-width characters, and skips leading spaces as spreadsheets do (OWASP, CSV injection); the library's own option
 * `escape_formulas` checks only the first character. Numbers stay numbers. Control characters and characters that change the text direction
 * become visible symbols, because RFC 4180 does not allow them.
 *
 * See also: service/export/exporter, commands/store/export.
 */
import { stringify } from 'csv-stringify/sync'
import { toPrintable } from '../../telemetry.ts'

/** Text that spreadsheets take for a formula. */
const FORMULA = /^[\s\u00a0\u3000]*[=+\-@\uff1d\uff0b\uff0d\uff20|%]|^[\t\r\n]/u

/** The value of a cell. */
export type Cell = string | number | boolean | null

/**
 * Escapes text so that no spreadsheet takes it for a formula. Total.
 *
 *     guardCell('=cmd|x') → "'=cmd|x"
 *     guardCell('  +1') → "'  +1"
 */
const guardCell = (text: string): string => toPrintable(FORMULA.test(text) ? `'${text}` : text)

// The library quotes only the line end that it writes. Readers also take a bare CR or LF for a line end, so both are quoted.
const OPTIONS = { record_delimiter: 'windows', quoted_match: /[\r\n]/, cast: { string: guardCell, boolean: String } } as const

/** Formats rows as lines that end in CRLF; no rows give the empty string. Total. */
export function csvLines(rows: readonly (readonly Cell[])[]): string {
  return stringify([...rows], OPTIONS)
}

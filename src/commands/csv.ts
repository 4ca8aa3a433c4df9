/**
 * csv - one cell, safe to open in a spreadsheet
 *
 * RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe before it: by its first letter, in ASCII or full width,
 * also behind spaces (OWASP, CSV injection). Numbers stay numbers.
 */

/** What begins a formula, as spreadsheets read it: they pass over spaces and know the full-width signs. */
const FORMULA = /^[\s\u00a0\u3000]*[=+\-@\uff1d\uff0b\uff0d\uff20|%]|^[\t\r\n]/u

/**
 * A value as a cell. Total.
 *
 *     csvCell('=cmd|x') → "'=cmd|x"
 *     csvCell('a "b", c') → '"a ""b"", c"'
 */
export function csvCell(value: unknown): string {
  const text = value === null || value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value)
  const safe = typeof value === 'string' && FORMULA.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

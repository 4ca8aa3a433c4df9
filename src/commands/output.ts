/**
 * output - the one door to standard output for text that people read
 *
 * Whatever a stranger wrote passes `printable` here: no escape sequence reaches the terminal. Machine forms (--ndjson) do not pass this
 * door: JSON escapes controls by itself.
 *
 * See also: telemetry (printable).
 */
import { toPrintable } from '../telemetry.ts'

/** Prints lines. */
export function printLines(...lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${toPrintable(line)}\n`)
}

/** One line of a stranger's text: line ends and tabs become spaces, and what is too long is cut with its length told. */
export function toSingleLine(text: string, limit = 200): string {
  const flat = text.replaceAll(/\s+/g, ' ').trim()
  return flat.length > limit ? `${flat.slice(0, limit)}… (${flat.length} characters)` : flat
}

/** Rows as columns, two spaces apart, the last one as long as it likes. */
export function formatColumns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) row.slice(0, -1).forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)))
  return rows.map((row) => row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join('  '))
}

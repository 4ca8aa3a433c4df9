/**
 * output - writes text for people to standard output
 *
 * Makes all text printable, so that no escape sequence in untrusted text reaches the terminal. Machine formats (`--ndjson`) do not need it, because JSON
 * escapes control characters.
 *
 * See also: telemetry (toPrintable).
 */
import { toPrintable } from '../telemetry.ts'

/** Prints lines to standard output. */
export function printLines(...lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${toPrintable(line)}\n`)
}

/** Text as one line: white space becomes single spaces, and text over the limit is cut and its length is added. Total. */
export function toSingleLine(text: string, limit = 200): string {
  const flat = text.replaceAll(/\s+/g, ' ').trim()
  return flat.length > limit ? `${flat.slice(0, limit)}… (${flat.length} characters)` : flat
}

/** Rows as aligned columns, two spaces apart. The last column is not padded. */
export function formatColumns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) row.slice(0, -1).forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)))
  return rows.map((row) => row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join('  '))
}

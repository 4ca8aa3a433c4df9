/**
 * export-file - cells as the bytes of a file
 *
 * The first piece begins with the byte order mark and the names of the columns, where the format has them; pieces one behind the other are
 * the file. Written a slice at a time, so that the thread that talks to the world is never held for long.
 *
 * RFC 4180 (CSV), RFC 1952 (gzip). See also: service/export/exporter, service/export/csv.
 */
import { setImmediate as others } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import type { ExportRow } from '../../store/exports.ts'
import { csvLines } from './csv.ts'
import type { Cell } from './csv.ts'
import { EXPORT_KINDS } from './export-kinds.ts'

const BOM = '\ufeff'

/** Rows that are written before others have their turn: about a millisecond. */
const SLICE_ROWS = 50

/** How a file is written. */
export type FileFormat = Pick<ExportRow, 'kind' | 'format' | 'bom'>

/** What stands before the first row. */
export function fileHead({ kind, format, bom }: FileFormat): string {
  return format === 'csv' ? (bom ? BOM : '') + csvLines([EXPORT_KINDS[kind].columns]) : ''
}

/** Rows as text. */
export async function fileLines({ kind, format }: FileFormat, rows: readonly (readonly Cell[])[]): Promise<string> {
  const { columns } = EXPORT_KINDS[kind]
  const write = format === 'csv' ? csvLines : (slice: typeof rows): string => slice.map((row) => jsonLine(columns, row)).join('')
  let text = ''
  for (let at = 0; at < rows.length; at += SLICE_ROWS) {
    if (at > 0) await others()
    text += write(rows.slice(at, at + SLICE_ROWS))
  }
  return text
}

function jsonLine(columns: readonly string[], row: readonly Cell[]): string {
  return `${JSON.stringify(Object.fromEntries(columns.map((name, at) => [name, row[at] ?? null])))}\n`
}

/** One member of a gzip file; beside this thread. */
export const compressChunk: (text: string) => Promise<Buffer> = promisify(gzip)

/** The bytes of a member. */
export const decompressChunk: (chunk: Uint8Array) => Promise<Buffer> = promisify(gunzip)

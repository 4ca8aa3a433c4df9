/**
 * export-file - formats export rows as the bytes of a file
 *
 * Each chunk of an export is one gzip member; the members one after another are a valid gzip file (RFC 1952 §2.2). Formatting yields to the
 * event loop at intervals, so that it never blocks other requests for long.
 *
 * RFC 4180 (CSV), RFC 1952 (gzip). See also: service/export/exporter, service/export/csv.
 */
import { setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createGzip, gunzip } from 'node:zlib'
import type { ExportRow } from '../../store/exports.ts'
import { csvLines, type Cell } from './csv.ts'
import { EXPORT_KINDS } from './export-kinds.ts'

const BOM = '\ufeff'

/** Rows formatted before the event loop gets control: about a millisecond. */
const SLICE_ROWS = 50

type FileFormat = Pick<ExportRow, 'kind' | 'format' | 'bom'>

/** The text before the first row: byte order mark and column names in CSV, nothing in JSON Lines. */
export function fileHead({ kind, format, bom }: FileFormat): string {
  return format === 'csv' ? (bom ? BOM : '') + csvLines([EXPORT_KINDS[kind].columns]) : ''
}

/** Formats rows as lines of the file. */
export async function fileLines({ kind, format }: FileFormat, rows: readonly (readonly Cell[])[]): Promise<string> {
  const { columns } = EXPORT_KINDS[kind]
  const write = format === 'csv' ? csvLines : (slice: typeof rows): string => slice.map((row) => jsonLine(columns, row)).join('')
  let text = ''
  for (let at = 0; at < rows.length; at += SLICE_ROWS) {
    if (at > 0) await yieldToEventLoop()
    text += write(rows.slice(at, at + SLICE_ROWS))
  }
  return text
}

function jsonLine(columns: readonly string[], row: readonly Cell[]): string {
  return `${JSON.stringify(Object.fromEntries(columns.map((name, at) => [name, row[at] ?? null])))}\n`
}

/** A chunk that is written part by part. */
type ChunkWriter = {
  /** Compresses one part, on a worker thread; the next part waits for it. */
  readonly write: (text: string) => Promise<void>
  /** Bytes of text written so far. */
  readonly textBytes: () => number
  /** Ends the gzip member and returns it; no text gives an empty one. */
  readonly end: () => Promise<Buffer>
}

/** Creates a writer of one chunk, which is one gzip member. Its memory is that of the compressed bytes and of one part. */
export function createChunkWriter(): ChunkWriter {
  const stream = createGzip()
  const compressed = stream.toArray()
  // Handled where the chunk ends; a failed write rejects earlier.
  compressed.catch(() => undefined)
  let textBytes = 0
  return {
    write: (text) => {
      textBytes += Buffer.byteLength(text)
      return new Promise((resolve, reject) => {
        stream.write(text, (error) => (error == null ? resolve() : reject(error)))
      })
    },
    textBytes: () => textBytes,
    end: async () => {
      stream.end()
      return Buffer.concat(await compressed)
    },
  }
}

/** Decompresses one gzip member. */
export const decompressChunk: (chunk: Uint8Array) => Promise<Buffer> = promisify(gunzip)

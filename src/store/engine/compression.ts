/**
 * compression - compresses the bytes of a column with Zstandard
 *
 * On SQLite the writing thread compresses, so that the main thread does not have to. On PostgreSQL short values are compressed at once
 * and long ones in the thread pool.
 *
 * See also: store/engine/mapping (`compressedColumn`), store/engine/sqlite-worker, store/engine/postgres/postgres.
 */
import { promisify } from 'node:util'
import { constants, zstdCompress, zstdCompressSync, zstdDecompress } from 'node:zlib'

const zstdCompressAsync = promisify(zstdCompress)

/** Level 3 is the default of Zstandard: half the size of a report, at a tenth of the time of higher levels. */
const ZSTD_PARAMETERS = { [constants.ZSTD_c_compressionLevel]: 3 }

/** Up to this size, compression takes well under a millisecond. The thread pool would take three times as long. */
const MAX_SYNC_BYTES = 65_536

/** Of an output buffer; zlib takes no less. */
const MIN_CHUNK_BYTES = 64

/**
 * With the size known in advance, the compressor allocates memory for that size only. Mails shrink to less than half; what does not takes a second buffer.
 * The default buffer of 16 KB stays in memory as long as the result, or until the next collection: 100 MB a minute under load.
 */
const zstdOptionsFor = (raw: Uint8Array) => ({
  params: ZSTD_PARAMETERS,
  pledgedSrcSize: raw.byteLength,
  chunkSize: Math.max(MIN_CHUNK_BYTES, raw.byteLength >>> 1),
})

/** Compresses in this thread. */
export const compressSync = (raw: Uint8Array): Uint8Array => zstdCompressSync(raw, zstdOptionsFor(raw))

/** Compresses, long values in the thread pool. */
export async function compressBytes(raw: Uint8Array): Promise<Uint8Array> {
  return raw.byteLength <= MAX_SYNC_BYTES ? compressSync(raw) : zstdCompressAsync(raw, zstdOptionsFor(raw))
}

/** Decompresses. Rejects bytes that are not a Zstandard frame. */
export const decompressBytes: (packed: Uint8Array) => Promise<Buffer> = promisify(zstdDecompress)

/**
 * compression - bytes made smaller on their way into a column, and large again on their way out
 *
 * Zstandard. SQLite's writing thread packs, so that the thread that talks to the world does not; on PostgreSQL, where no thread of ours
 * stands between, short values are packed at once and long ones in the thread pool.
 *
 * See also: store/engine/mapping (`packed`), store/engine/sqlite-worker, store/engine/postgres.
 */
import { promisify } from 'node:util'
import { constants, zstdCompress, zstdCompressSync, zstdDecompress } from 'node:zlib'

const zstdCompressAsync = promisify(zstdCompress)

/** Level 3 is Zstandard's own default: half the bytes of a report at a tenth of the time of higher levels. */
const ZSTD_PARAMETERS = { [constants.ZSTD_c_compressionLevel]: 3 }

/** Packed in well under a millisecond; a way through the thread pool costs three times as much. */
const MAX_SYNC_BYTES = 65_536

/** The size is told in advance: the compressor then takes memory for a report and not for a film. */
const zstdOptionsFor = (raw: Uint8Array) => ({ params: ZSTD_PARAMETERS, pledgedSrcSize: raw.byteLength })

/** Packs in this thread. */
export const compressSync = (raw: Uint8Array): Uint8Array => zstdCompressSync(raw, zstdOptionsFor(raw))

/** Packs, long values beside this thread. */
export async function compressBytes(raw: Uint8Array): Promise<Uint8Array> {
  return raw.byteLength <= MAX_SYNC_BYTES ? compressSync(raw) : zstdCompressAsync(raw, zstdOptionsFor(raw))
}

/** The bytes that were packed. */
export const decompressBytes: (packed: Uint8Array) => Promise<Buffer> = promisify(zstdDecompress)

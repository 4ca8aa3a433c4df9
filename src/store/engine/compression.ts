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

const compress = promisify(zstdCompress)

/** Level 3 is Zstandard's own default: half the bytes of a report at a tenth of the time of higher levels. */
const PARAMS = { [constants.ZSTD_c_compressionLevel]: 3 }

/** Packed in well under a millisecond; a way through the thread pool costs three times as much. */
const SHORT = 65_536

/** The size is told in advance: the compressor then takes memory for a report and not for a film. */
const optionsFor = (raw: Uint8Array) => ({ params: PARAMS, pledgedSrcSize: raw.byteLength })

/** Packs in this thread. */
export const pack = (raw: Uint8Array): Uint8Array => zstdCompressSync(raw, optionsFor(raw))

/** Packs, long values beside this thread. */
export async function packAside(raw: Uint8Array): Promise<Uint8Array> {
  return raw.byteLength <= SHORT ? pack(raw) : compress(raw, optionsFor(raw))
}

/** The bytes that were packed. */
export const unpack: (packed: Uint8Array) => Promise<Buffer> = promisify(zstdDecompress)

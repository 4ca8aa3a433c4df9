/**
 * data-decoder - the bytes of a mail out of the bytes of DATA: only CR LF . CR LF ends it
 *
 * A dot after CR LF (or as the first byte) begins either the end or a line whose first dot was put there for the way; that dot is dropped.
 * A dot after a bare LF or a bare CR is text like any other, and so is everything else: LF.LF, LF.CRLF, CRLF.LF, CR.CR, CR.CRLF, CRLF.CR and the
 * same with NULs in between end nothing. What comes out does not depend on how TCP cut the bytes.
 *
 * Pure, total. RFC 5321 §4.1.1.4 (DATA), §4.5.2 (transparency). See also: smtp-server/line-endings (what becomes of bare LF and CR).
 */

/** Where the last byte stood. `line`: at the first byte of a line; `dot`: behind its dot; `dotCr`: behind its dot and CR. */
export type DataState = 'line' | 'text' | 'cr' | 'dot' | 'dotCr'

/** DATA begins at the first byte of a line. */
export const DATA_START: DataState = 'line'

/** `text` is what the mail gains; `end` the offset behind CR LF . CR LF, null while it has not come. */
export type DecodedChunk = { readonly text: Buffer; readonly state: DataState; readonly end: number | null }

const LF = 0x0a
const CR = 0x0d
const DOT = 0x2e
const CRLF_DOT = Buffer.from('\r\n.')
const HELD_CR = Buffer.from('\r')

/** Reads one chunk. Pieces are joined, so that a mail of nothing but dots costs no more memory than any other. */
export function decodeData(initialState: DataState, chunk: Buffer): DecodedChunk {
  const pieces: Buffer[] = []
  let state = initialState
  let start = 0
  let offset = 0
  while (offset < chunk.length) {
    if (state === 'text') {
      const found = chunk.indexOf(CRLF_DOT, offset)
      if (found < 0) {
        state = stateAtEnd(chunk, offset)
        break
      }
      offset = found + 2
      state = 'line'
    }
    const byte = chunk[offset]
    offset++
    if (state === 'line' && byte === DOT) {
      pieces.push(chunk.subarray(start, offset - 1))
      start = offset
      state = 'dot'
    } else if (state === 'dot' && byte === CR) {
      start = offset
      state = 'dotCr'
    } else if (state === 'dotCr' && byte === LF) return { text: joinPieces(pieces), state: DATA_START, end: offset }
    else {
      if (state === 'dotCr') {
        pieces.push(HELD_CR)
        start = offset - 1
      }
      state = stateAfter(state, byte)
    }
  }
  if (state !== 'dotCr') pieces.push(chunk.subarray(start))
  return { text: joinPieces(pieces), state, end: null }
}

/** The state behind an ordinary byte. */
function stateAfter(state: DataState, byte: number | undefined): DataState {
  if (byte === CR) return 'cr'
  return byte === LF && state === 'cr' ? 'line' : 'text'
}

/** The state behind a chunk whose rest, from `at` on, holds no dot at the beginning of a line. */
function stateAtEnd(chunk: Buffer, offset: number): DataState {
  const { length } = chunk
  if (chunk[length - 1] === CR) return 'cr'
  return length - offset >= 2 && chunk[length - 1] === LF && chunk[length - 2] === CR ? 'line' : 'text'
}

function joinPieces(pieces: readonly Buffer[]): Buffer {
  const [only] = pieces
  return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces)
}

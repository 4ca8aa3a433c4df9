/**
 * data-decoder - removes dot-stuffing from the bytes of DATA and finds the end of the mail; only CR LF . CR LF ends it
 *
 * A dot after CR LF, or as the first byte, begins either the end of the mail or a dot-stuffed line; the dot is removed. A dot after a bare
 * LF or a bare CR is ordinary text. LF.LF, LF.CRLF, CRLF.LF, CR.CR, CR.CRLF, CRLF.CR and the same with NULs in between do not end a mail. The
 * result does not depend on how TCP splits the bytes into chunks.
 *
 * Pure, total. RFC 5321 §4.1.1.4 (DATA), §4.5.2 (transparency). See also: smtp-server/line-endings (handling of bare LF and CR).
 */

/** The position after the last byte. `line`: at the start of a line; `dot`: after its dot; `dotCr`: after its dot and CR. */
type DataState = 'line' | 'text' | 'cr' | 'dot' | 'dotCr'

/** DATA begins at the start of a line. */
export const DATA_START: DataState = 'line'

/** `text` is the decoded bytes of the mail. `end` is the offset after CR LF . CR LF, null when the chunk does not hold the end. */
type DecodedChunk = { readonly text: Buffer; readonly state: DataState; readonly end: number | null }

const LF = 0x0a
const CR = 0x0d
const DOT = 0x2e
const CRLF_DOT = Buffer.from('\r\n.')
const HELD_CR = Buffer.from('\r')

/** Decodes one chunk. Joins the pieces of a chunk, so that a mail of dots alone needs no more memory than any other. */
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

/** Returns the state after a byte that is not part of a dot sequence. */
function stateAfter(state: DataState, byte: number | undefined): DataState {
  if (byte === CR) return 'cr'
  return byte === LF && state === 'cr' ? 'line' : 'text'
}

/** Returns the state after a chunk that has no dot at the start of a line from `offset` on. */
function stateAtEnd(chunk: Buffer, offset: number): DataState {
  const { length } = chunk
  if (chunk[length - 1] === CR) return 'cr'
  return length - offset >= 2 && chunk[length - 1] === LF && chunk[length - 2] === CR ? 'line' : 'text'
}

function joinPieces(pieces: readonly Buffer[]): Buffer {
  const [only] = pieces
  return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces)
}

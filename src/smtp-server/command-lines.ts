/**
 * command-lines - splits bytes into SMTP commands; only CR LF ends a command
 *
 * A server that also accepts a bare LF reads two commands where another server reads one. SMTP smuggling uses this difference. Here a bare
 * LF, a bare CR or a NUL makes the whole line malformed: it is reported once, at that byte, and the bytes up to the next CR LF are skipped.
 * A line over the limit is handled in the same way. The result does not depend on how TCP splits the bytes into chunks.
 *
 * Total. RFC 5321 §2.3.8 (lines), §4.5.3.1.4 (length). See also: smtp-server/data-decoder (the same rule inside a mail), smtp-server/parser.
 */

/** `line` is without its CR LF. `end` is the offset after the bytes that were read. */
export type LineToken =
  | { readonly kind: 'line'; readonly line: Buffer; readonly end: number }
  | { readonly kind: MalformedLine; readonly end: number }

/** `bare`: a CR, LF or NUL that is not part of a CR LF. `long`: more bytes than the limit. */
export type MalformedLine = 'bare' | 'long'

type CommandLineReader = {
  /** Returns the next command or malformed line of `chunk` from offset `from`. Null when the chunk has no more; an incomplete line is kept. */
  readonly next: (chunk: Buffer, from: number) => LineToken | null
}

const NUL = 0x00
const LF = 0x0a
const CR = 0x0d

/** Creates the reader of one connection. `limit` is the bytes of one line without its CR LF. */
export function createCommandLineReader(limit: number): CommandLineReader {
  let buffered = Buffer.alloc(0)
  let isAfterCr = false
  let isSkipping = false

  const rejectLine = (kind: MalformedLine, end: number): LineToken => {
    buffered = Buffer.alloc(0)
    isSkipping = true
    return { kind, end }
  }
  const completeLine = (chunk: Buffer, from: number, end: number): LineToken => {
    const completeBytes = Buffer.concat([buffered, chunk.subarray(from, end)])
    buffered = Buffer.alloc(0)
    return { kind: 'line', line: completeBytes.subarray(0, completeBytes.length - 2), end }
  }
  return {
    next: (chunk, from) => {
      const whole = buffered.length > 0 || isAfterCr || isSkipping ? null : findWholeLine(chunk, from, limit)
      if (whole !== null) return whole
      let start = from
      for (let offset = from; offset < chunk.length; offset++) {
        const byte = chunk[offset]
        const endsLine = isAfterCr && byte === LF
        const isBare = !endsLine && (isAfterCr || byte === LF || byte === NUL)
        isAfterCr = byte === CR
        if (endsLine && !isSkipping) return completeLine(chunk, start, offset + 1)
        if (endsLine) {
          isSkipping = false
          start = offset + 1
        } else if (!isSkipping && isBare) return rejectLine('bare', offset + 1)
        else if (!isSkipping && !isAfterCr && buffered.length + offset + 1 - start > limit) return rejectLine('long', offset + 1)
      }
      if (!isSkipping) buffered = Buffer.concat([buffered, chunk.subarray(start)])
      return null
    },
  }
}

/** The usual case: a whole command at an offset of a chunk, which needs no copy. Null in every other case; each byte is then looked at. */
function findWholeLine(chunk: Buffer, from: number, limit: number): LineToken | null {
  const end = chunk.indexOf(CR, from)
  if (end < 0 || chunk[end + 1] !== LF || end - from > limit) return null
  for (let offset = from; offset < end; offset++) if (chunk[offset] === LF || chunk[offset] === NUL) return null
  return { kind: 'line', line: chunk.subarray(from, end), end: end + 2 }
}

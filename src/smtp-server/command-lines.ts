/**
 * command-lines - SMTP commands out of bytes: only CR LF ends one
 *
 * A server that also takes a bare LF for the end of a line reads two commands where its neighbour reads one, and that is how mail is
 * smuggled. Here a bare LF, a bare CR or a NUL spoils the whole line: it is reported once, at that byte, and everything up to the next CR LF
 * is passed over unread. A line over the limit goes the same way. What comes out does not depend on how TCP cut the bytes.
 *
 * Total. RFC 5321 §2.3.8 (lines), §4.5.3.1.4 (length). See also: smtp-server/data-decoder (the same law inside a mail), smtp-server/parser.
 */

/** `end` is the offset behind what was read; `line` is without its CR LF. */
export type LineToken =
  | { readonly kind: 'line'; readonly line: Buffer; readonly end: number }
  | { readonly kind: MalformedLine; readonly end: number }

/** `bare`: a CR, LF or NUL that is no part of a line's end. `long`: more bytes than the limit. */
export type MalformedLine = 'bare' | 'long'

export type CommandLineReader = {
  /** The next command, or the next fault, of `chunk` from `from` on. Null when the chunk is used up; what it began is remembered. */
  readonly next: (chunk: Buffer, from: number) => LineToken | null
}

const NUL = 0x00
const LF = 0x0a
const CR = 0x0d

/** A reader of one connection's commands. `limit` is bytes of one line without its CR LF. */
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

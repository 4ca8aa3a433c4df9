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
  | { readonly kind: BadLine; readonly end: number }

/** `bare`: a CR, LF or NUL that is no part of a line's end. `long`: more bytes than the limit. */
export type BadLine = 'bare' | 'long'

export type Lines = {
  /** The next command, or the next fault, of `chunk` from `from` on. Null when the chunk is used up; what it began is remembered. */
  readonly next: (chunk: Buffer, from: number) => LineToken | null
}

const NUL = 0x00
const LF = 0x0a
const CR = 0x0d

/** A reader of one connection's commands. `limit` is bytes of one line without its CR LF. */
export function createLines(limit: number): Lines {
  let held = Buffer.alloc(0)
  let afterCr = false
  let skipping = false

  const spoil = (kind: BadLine, end: number): LineToken => {
    held = Buffer.alloc(0)
    skipping = true
    return { kind, end }
  }
  const finish = (chunk: Buffer, from: number, end: number): LineToken => {
    const whole = Buffer.concat([held, chunk.subarray(from, end)])
    held = Buffer.alloc(0)
    return { kind: 'line', line: whole.subarray(0, whole.length - 2), end }
  }
  return {
    next: (chunk, from) => {
      let begin = from
      for (let at = from; at < chunk.length; at++) {
        const byte = chunk[at]
        const endsLine = afterCr && byte === LF
        const isBare = !endsLine && (afterCr || byte === LF || byte === NUL)
        afterCr = byte === CR
        if (endsLine && !skipping) return finish(chunk, begin, at + 1)
        if (endsLine) {
          skipping = false
          begin = at + 1
        } else if (!skipping && isBare) return spoil('bare', at + 1)
        else if (!skipping && !afterCr && held.length + at + 1 - begin > limit) return spoil('long', at + 1)
      }
      if (!skipping) held = Buffer.concat([held, chunk.subarray(begin)])
      return null
    },
  }
}

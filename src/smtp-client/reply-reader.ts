/**
 * reply-reader - assembles the bytes of an SMTP server into whole replies
 *
 * A reply is one or more lines; every line but the last has a hyphen after its code. A reply that is too long, in bytes or in lines, is an error, so
 * that a server cannot fill memory with a reply that it never ends. Cost is linear in the bytes, however the network splits them.
 *
 * Pure and total. RFC 5321 §4.2.1 (multi-line replies), §4.5.3.1.5 (reply line length). See also: smtp-client/smtp-wire, smtp-client/reply-outcome.
 */
import { Buffer, isUtf8 } from 'node:buffer'

export type ReplyReader = {
  /** Takes bytes in and returns the replies that they complete. Null: the current reply is too long; use the reader no more. */
  readonly push: (bytes: Buffer) => readonly string[] | null
  /** What has arrived of a reply that is not complete, without line end; '' when there is nothing. */
  readonly unfinished: () => string
}

/** EHLO replies of large providers have 20 lines and 1 KB. */
const MAX_REPLY_BYTES = 65_536
const MAX_REPLY_LINES = 500

const LF = 0x0a
const CONTINUATION = /^\d{3}-/

/** Creates a reader for one connection. */
export function createReplyReader(): ReplyReader {
  let lines: string[] = []
  let replyBytes = 0
  let partialLine: Buffer[] = []
  const completeLine = (bytes: Buffer): string | null => {
    const line = decodeLine(Buffer.concat([...partialLine, bytes]))
    partialLine = []
    // Some servers put an empty line between replies.
    if (lines.length === 0 && line.trim() === '') {
      replyBytes = 0
      return null
    }
    lines.push(line)
    if (CONTINUATION.test(line)) return null
    const reply = lines.join('\n')
    lines = []
    replyBytes = 0
    return reply
  }
  return {
    push: (bytes) => {
      const replies: string[] = []
      let start = 0
      for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, start)) {
        replyBytes += at + 1 - start
        if (replyBytes > MAX_REPLY_BYTES || lines.length >= MAX_REPLY_LINES) return null
        const reply = completeLine(bytes.subarray(start, at))
        if (reply !== null) replies.push(reply)
        start = at + 1
      }
      if (start < bytes.length) partialLine.push(bytes.subarray(start))
      replyBytes += bytes.length - start
      return replyBytes > MAX_REPLY_BYTES ? null : replies
    },
    unfinished: () => [...lines, ...(partialLine.length === 0 ? [] : [decodeLine(Buffer.concat(partialLine))])].join('\n').trim(),
  }
}

/** RFC 5321 asks for ASCII; servers write UTF-8 and the code pages of their country. Latin-1 keeps every byte. */
const decodeLine = (bytes: Buffer): string => bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1').replace(/\r$/, '')

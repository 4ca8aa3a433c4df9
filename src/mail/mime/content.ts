/**
 * content - the body of a part, as bytes or as text
 *
 * Decodes transfer encoding and charset, as far as their labels are right. Plain ASCII is returned unchanged.
 *
 * Pure, total, bounded by `cap`. RFC 2045 §6, RFC 2046 §4.1. See also: mail/mime/mime (offsets), mail/mime/transfer, mail/mime/charset.
 */
import { decodeJapanese, decodeText, hasJapaneseEscapes } from './charset.ts'
import { MAX_MESSAGE_BYTES, type MimeMessage } from './mime.ts'
import type { MimePart } from './part.ts'
import { decodeTransfer, parseTransferEncoding } from './transfer.ts'

/** Default length of the decoded text of one part. */
const MAX_PART_TEXT = 262_144

/** Decodes the body of a part to bytes, at most `cap`. Total. */
export function decodePartBytes(mime: MimeMessage, part: MimePart, cap = MAX_MESSAGE_BYTES): Uint8Array {
  const encoding = parseTransferEncoding(part.encoding)
  const end = Math.min(part.bodyEnd, part.bodyStart + cap * (encoding === 'identity' ? 1 : 4))
  if (encoding === 'identity') return mime.raw.subarray(part.bodyStart, end)
  return decodeTransfer(mime.latin1.slice(part.bodyStart, end), encoding).subarray(0, cap)
}

/**
 * Decodes the body of a part to text with LF line ends, at most `cap` characters. A wrong charset or encoding gives the readable part.
 * Total.
 */
export function decodePartText(mime: MimeMessage, part: MimePart, cap = MAX_PART_TEXT): string {
  const encoding = parseTransferEncoding(part.encoding)
  const charset = part.params['charset'] ?? null
  // One character takes up to 12 encoded bytes (four escapes). A cut character at the end does no harm.
  const body = mime.latin1.slice(part.bodyStart, Math.min(part.bodyEnd, part.bodyStart + cap * (encoding === 'identity' ? 4 : 12)))
  const isDirect = encoding === 'identity' || (encoding === 'quoted-printable' && !body.includes('='))
  const text = isDirect ? decodePlainText(body, charset, mime.isPlainAscii) : decodeText(decodeTransfer(body, encoding), charset)
  return normalizeLineEnds(text.length > cap * 2 ? text.slice(0, cap * 2) : text).slice(0, cap)
}

function decodePlainText(body: string, charset: string | null, isPlain: boolean): string {
  if (!isPlain && /[\x80-\xff]/.test(body)) return decodeText(Buffer.from(body, 'latin1'), charset)
  if (!isPlain && hasJapaneseEscapes(body)) return decodeJapanese(body)
  return charset !== null && /utf-?7|utf-?16|ucs|hz|2022/i.test(charset) ? decodeText(Buffer.from(body, 'latin1'), charset) : body
}

function normalizeLineEnds(text: string): string {
  if (!text.includes('\r')) return text
  const lines = text.replace(/\r\n/g, '\n')
  return lines.includes('\r') ? lines.replace(/\r{1,2}\n|\r/g, '\n') : lines
}

/**
 * content - the body of a part, as bytes or as text
 *
 * Out of its transfer encoding and its charset, as far as either can be believed. A mail of plain ASCII is handed out as it stands.
 *
 * Pure, total, bounded by the caps. RFC 2045 §6, RFC 2046 §4.1. See also: mail/mime/mime (where parts stand), mail/mime/transfer, mail/mime/charset.
 */
import { decodeJapanese, decodeText, hasJapaneseEscapes } from './charset.ts'
import { MAX_MESSAGE_BYTES, type MimeMessage } from './mime.ts'
import type { MimePart } from './part.ts'
import { decodeTransfer, parseTransferEncoding } from './transfer.ts'

/** Decoded text of one part that is handed out. */
const MAX_PART_TEXT = 262_144

/** The body of a part out of its transfer encoding, at most `cap` encoded bytes read. Total. */
export function decodePartBytes(mime: MimeMessage, part: MimePart, cap = MAX_MESSAGE_BYTES): Uint8Array {
  const encoding = parseTransferEncoding(part.encoding)
  const end = Math.min(part.bodyEnd, part.bodyStart + cap * (encoding === 'identity' ? 1 : 4))
  if (encoding === 'identity') return mime.raw.subarray(part.bodyStart, end)
  return decodeTransfer(mime.latin1.slice(part.bodyStart, end), encoding).subarray(0, cap)
}

/** The body of a part as text with LF line ends, at most `cap` characters. Total: a wrong charset or encoding gives what can be read. */
export function decodePartText(mime: MimeMessage, part: MimePart, cap = MAX_PART_TEXT): string {
  const encoding = parseTransferEncoding(part.encoding)
  const charset = part.params['charset'] ?? null
  // An encoded character takes up to 12 bytes (four escapes); a cut one at the end does no harm.
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
  const lines = text.replaceAll('\r\n', '\n')
  return lines.includes('\r') ? lines.replace(/\r{1,2}\n|\r/g, '\n') : lines
}

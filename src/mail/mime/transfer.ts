/**
 * transfer - decodes transfer encodings
 *
 * Takes text with one byte per character (latin1). Accepts base64 with foreign lines or with padding after each chunk, and
 * quoted-printable
 * with invalid escapes: decodes as much as possible.
 *
 * Pure, total, linear. RFC 2045 §6. See also: mail/mime/content.
 */

type TransferEncoding = 'identity' | 'base64' | 'quoted-printable'

/** Maps a Content-Transfer-Encoding to a decoder. Accepts common misspellings; an unknown encoding means identity. Total. */
export function parseTransferEncoding(value: string): TransferEncoding {
  if (value === '7bit' || value === '8bit') return 'identity'
  const bare = value.toLowerCase().replace(/[^a-z0-9]/g, '')
  if (bare.startsWith('base64')) return 'base64'
  return bare.startsWith('quotedprintable') ? 'quoted-printable' : 'identity'
}

/** Decodes a body with one byte per character. The result is not longer. Total. */
export function decodeTransfer(text: string, encoding: TransferEncoding): Buffer {
  if (encoding === 'base64') return decodeBase64(text)
  return encoding === 'quoted-printable' ? decodeQuotedPrintable(text) : Buffer.from(text, 'latin1')
}

const EQUALS_CODE = 0x3d
const NEWLINE_CODE = 0x0a

/** Invalid escapes are kept, except an equals sign at the end of the text. White space at the end of a line is removed. */
function decodeQuotedPrintable(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(text.length)
  let size = 0
  // White space that was escaped, or that stands before a soft line break, stays.
  let keptUntil = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code !== EQUALS_CODE) {
      if (code === NEWLINE_CODE) size = trimLineEnd(bytes, size, keptUntil)
      bytes[size++] = code
      continue
    }
    const value = parseHexPair(text, at + 1)
    const breakLength = value < 0 ? softBreakLength(text, at + 1) : 0
    if (value >= 0) bytes[size++] = value
    else if (breakLength === 0 && at < text.length - 1) bytes[size++] = EQUALS_CODE
    keptUntil = size
    at += value >= 0 ? 2 : breakLength
  }
  return bytes.subarray(0, size)
}

/** The size without spaces and tabs before the line end at `size`; they are no part of the text. */
function trimLineEnd(bytes: Uint8Array, size: number, from: number): number {
  const lineEnd = size > from && bytes[size - 1] === 0x0d ? size - 1 : size
  let end = lineEnd
  while (end > from && (bytes[end - 1] === 0x20 || bytes[end - 1] === 0x09)) end--
  return end === lineEnd ? size : end
}

function parseHexPair(text: string, at: number): number {
  const high = parseHexDigit(text.charCodeAt(at))
  const low = parseHexDigit(text.charCodeAt(at + 1))
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

function parseHexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  if (code >= 0x41 && code <= 0x46) return code - 0x37
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1
}

/** Length of white space and line end at an offset; 0 if something else stands there. */
function softBreakLength(text: string, from: number): number {
  let at = from
  while (text.charCodeAt(at) === 0x20 || text.charCodeAt(at) === 0x09 || text.charCodeAt(at) === 0x0d) at++
  return text.charCodeAt(at) === 0x0a ? at + 1 - from : 0
}

/** Skips lines with characters outside the alphabet (footers added by gateways). Padding ends a chunk, not the body. */
function decodeBase64(text: string): Buffer {
  const isClean = !/[^A-Za-z0-9+/=\s]/.test(text)
  const kept = isClean ? text : text.split('\n').filter(isBase64Line).join('\n')
  // No line is base64, so the label is wrong and the text is kept.
  if (!isClean && kept.trim() === '') return Buffer.from(text, 'latin1')
  const pad = kept.indexOf('=')
  if (pad < 0 || /^[=\s]*$/.test(kept.slice(pad))) return Buffer.from(kept, 'base64')
  return Buffer.concat(kept.split(/=[=\s]*/).map((chunk) => Buffer.from(chunk, 'base64')))
}

function isBase64Line(line: string): boolean {
  return !/[^A-Za-z0-9+/=\s]/.test(line) && !/\S\s+\S/.test(line.slice(0, 2_000))
}

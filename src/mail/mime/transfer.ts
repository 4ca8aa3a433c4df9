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
  return Buffer.from(encoding === 'quoted-printable' ? decodeQuotedPrintable(text) : text, 'latin1')
}

/** Decodes quoted-printable to one byte per character. Invalid escapes are kept; trailing white space of a line is removed. */
function decodeQuotedPrintable(text: string): string {
  const segments = text.split('=')
  let out = trimLineEnds(segments[0] ?? '')
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i] ?? ''
    const value = parseHexPair(segment)
    if (value >= 0) {
      out += String.fromCharCode(value) + trimLineEnds(segment.slice(2))
      continue
    }
    const breakLength = softBreakLength(segment)
    out +=
      breakLength > 0
        ? trimLineEnds(segment.slice(breakLength))
        : i === segments.length - 1 && segment === ''
          ? ''
          : `=${trimLineEnds(segment)}`
  }
  return out
}

function parseHexPair(segment: string): number {
  const high = parseHexDigit(segment.charCodeAt(0))
  const low = parseHexDigit(segment.charCodeAt(1))
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

function parseHexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  if (code >= 0x41 && code <= 0x46) return code - 0x37
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1
}

/** Length of white space and line end at the start of a segment; 0 if it begins with something else. */
function softBreakLength(segment: string): number {
  let at = 0
  while (at < segment.length && (segment.charCodeAt(at) === 0x20 || segment.charCodeAt(at) === 0x09 || segment.charCodeAt(at) === 0x0d))
    at++
  return segment.charCodeAt(at) === 0x0a ? at + 1 : 0
}

function trimLineEnds(text: string): string {
  return / \r?\n|\t\r?\n/.test(text) ? text.split('\n').map(trimUnlessLast).join('\n') : text
}

function trimUnlessLast(line: string, index: number, lines: readonly string[]): string {
  return index < lines.length - 1 ? line.trimEnd() : line
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

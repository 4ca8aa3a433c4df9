/**
 * transfer-encoding - encodes bytes as quoted-printable or base64, in lines that every relay accepts
 *
 * Pure, total. RFC 2045 §6.7, §6.8. See also: mail/mime/transfer (decodes), compose/rewrite-mime.
 */

/** RFC 2045 §6.7 (5). */
const MAX_ENCODED_LINE_LENGTH = 76

/** Encodes text as quoted-printable. Line ends of either kind become CRLF. */
export function encodeQuotedPrintable(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1').split(/\r?\n/).map(encodeQuotedPrintableLine).join('\r\n')
}

function encodeQuotedPrintableLine(line: string): string {
  const escaped = line.replaceAll(/[^\t !-<>-~]/g, escapeOctet).replace(/[\t ]$/, escapeOctet)
  if (escaped.length <= MAX_ENCODED_LINE_LENGTH) return escaped
  const lines: string[] = []
  let at = 0
  while (escaped.length - at > MAX_ENCODED_LINE_LENGTH) {
    let end = at + MAX_ENCODED_LINE_LENGTH - 1
    // Do not split an escape sequence.
    if (escaped[end - 1] === '=') end -= 1
    else if (escaped[end - 2] === '=') end -= 2
    lines.push(`${escaped.slice(at, end)}=`)
    at = end
  }
  return [...lines, escaped.slice(at)].join('\r\n')
}

const escapeOctet = (char: string): string => `=${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`

/** Encodes bytes as base64 in lines of 76 characters. */
export function encodeBase64Lines(bytes: Uint8Array): string {
  return (
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,76}/g) ?? []
  ).join('\r\n')
}

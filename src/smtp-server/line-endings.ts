/**
 * line-endings - every bare LF and every bare CR of a mail becomes CR LF
 *
 * What came by SMTP and is stored may one day be sent on, downloaded or replayed, and the next program may take a bare LF for the end of a line. So no mail leaves
 * us with a line end that two programs read in two ways. The digest stays that of the bytes as they came.
 *
 * Pure, total, idempotent, one pass. RFC 5321 §2.3.8. See also: smtp-server/body-reader.
 */

const LF = 0x0a
const CR = 0x0d

/** The same bytes with CR LF wherever a line ends. A mail that has no other line ends is given back as it is, uncopied. */
export function normaliseLineEndings(raw: Buffer): Buffer {
  const bareCount = countBareLineEndings(raw)
  if (bareCount === 0) return raw
  const out = Buffer.allocUnsafe(raw.length + bareCount)
  let filled = 0
  for (let at = 0; at < raw.length; at++) {
    const byte = raw[at] ?? 0
    if (byte !== CR && byte !== LF) out[filled++] = byte
    else {
      out[filled++] = CR
      out[filled++] = LF
      if (byte === CR && raw[at + 1] === LF) at++
    }
  }
  return out
}

function countBareLineEndings(raw: Buffer): number {
  let bareCount = 0
  for (let at = 0; at < raw.length; at++) {
    const byte = raw[at]
    if (byte === LF) bareCount++
    else if (byte === CR && raw[at + 1] === LF) at++
    else if (byte === CR) bareCount++
  }
  return bareCount
}

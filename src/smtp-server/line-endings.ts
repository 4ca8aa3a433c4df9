/**
 * line-endings - converts every bare LF and every bare CR of a mail to CR LF
 *
 * A stored mail may later be forwarded, downloaded or replayed, and another program may read a bare LF as the end of a line. So a stored mail
 * holds no line ending that two programs can read differently. The digest of a mail covers the bytes as they arrived.
 *
 * Pure, total, idempotent, one pass. RFC 5321 §2.3.8. See also: smtp-server/body-reader.
 */

const LF = 0x0a
const CR = 0x0d

const BARE = /\r(?!\n)|(?<!\r)\n/

/** Returns the bytes with CR LF at every line ending. Returns the same buffer, without a copy, when nothing has to change. */
export function normaliseLineEndings(raw: Buffer): Buffer {
  // Nearly every mail ends here: the engine searches a pattern several times faster than a loop over bytes.
  if (!BARE.test(raw.toString('latin1'))) return raw
  const bareCount = countBareLineEndings(raw)
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

/**
 * canonicalisation - the relaxed canonical forms of a header field and of a body
 *
 * Pure, total, idempotent. RFC 6376 §3.4. See also: compose/dkim-canonical.
 */
import type { HeaderFieldLine } from './header-line.ts'

/** The relaxed form of a header field (RFC 6376 §3.4.2), without its line end. */
export function canonicaliseHeaderRelaxed({ name, text }: HeaderFieldLine): string {
  const value = text
    .slice(text.indexOf(':') + 1)
    .replaceAll('\r\n', '')
    .replaceAll(/[ \t]+/g, ' ')
    .trim()
  return `${name}:${value}`
}

/** The relaxed form of a body (RFC 6376 §3.4.4). */
export function canonicaliseBodyRelaxed(body: string): string {
  const lines = body.split('\r\n').map((line) => line.replaceAll(/[ \t]+/g, ' ').replace(/ $/, ''))
  while (lines.at(-1) === '') lines.pop()
  return lines.length === 0 ? '' : `${lines.join('\r\n')}\r\n`
}

/**
 * address - one spelling and one hash for each address
 *
 * Lists are keyed by the hash, so that erasing the clear address leaves the protection standing. Normalised: trimmed, whole in lower
 * case, the domain as A-label without its last dot. A domain by itself is hashed as `@domain`.
 *
 * Pure. See also: ledger/suppression.
 */
import { createHash } from 'node:crypto'

/** RFC 5321 §4.5.3.1: 64 octets, @, 255 octets. */
export const MAX_ADDRESS = 320

export type Address = { readonly address: string; readonly local: string; readonly domain: string; readonly hash: string }

/** A domain in lower case as A-label (RFC 5890). Null: it is none. */
export function normaliseDomain(raw: string): string | null {
  const trimmed = raw.trim().replace(/\.$/, '').toLowerCase()
  if (trimmed.length === 0 || trimmed.length > 253) return null
  const ascii = isAscii(trimmed) ? trimmed : toAscii(trimmed)
  return ascii !== null && /^[a-z0-9_.-]+$|^\[[a-z0-9.:]+\]$/.test(ascii) && !ascii.startsWith('.') && !ascii.includes('..') ? ascii : null
}

/** Reads a bare address, `<>` around it or not. Null: it is none. */
export function readAddress(raw: string): Address | null {
  const bare = raw.trim().replace(/^<|>$/g, '')
  if (bare.length > MAX_ADDRESS) return null
  const at = bare.lastIndexOf('@')
  const local = bare.slice(0, Math.max(at, 0)).toLowerCase()
  const domain = normaliseDomain(bare.slice(at + 1))
  if (at < 1 || domain === null || !/^[^\s<>\p{Cc}]+$/u.test(local)) return null
  const address = `${local}@${domain}`
  return { address, local, domain, hash: sha256(address) }
}

/** The hash under which a whole domain stands on a list. */
export const hashDomain = (domain: string): string => sha256(`@${domain}`)

/** The hash of an address, null where it is none. */
export const hashAddress = (raw: string): string | null => readAddress(raw)?.hash ?? null

function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex')
}

function isAscii(text: string): boolean {
  return !/[^\u0020-\u007e]/.test(text)
}

/** URL applies UTS #46, which is what mail software does. It is the one part of Node's globals that knows A-labels. */
function toAscii(domain: string): string | null {
  const url = URL.parse(`http://${domain}/`)
  return url === null || url.hostname.length === 0 ? null : url.hostname
}

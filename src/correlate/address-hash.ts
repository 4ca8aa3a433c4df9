/**
 * address-hash - one spelling and one hash for each address
 *
 * Lists are keyed by the hash, so that erasing the clear address leaves the protection standing. Normalised: whole in lower case, the
 * domain as A-label without its last dot. A domain by itself is hashed as `@domain`.
 *
 * Pure, total. See also: mail/mime/address (reading), ledger/suppress/suppression.
 */
import { hash } from 'node:crypto'
import { parseAddress } from '../mail/mime/address.ts'

export type KnownAddress = { readonly address: string; readonly domain: string; readonly hash: string }

/** A report names its recipient half a dozen times: what was read lately is known. */
const RECENT = 256
const MAX_RECENT_LENGTH = 320
const recent = new Map<string, KnownAddress | null>()

/** Reads and normalises one address. Null: it is none that one can send to. */
export function knowAddress(raw: string): KnownAddress | null {
  const known = recent.get(raw)
  if (known !== undefined) return known
  const read = readAddress(raw)
  if (raw.length > MAX_RECENT_LENGTH) return read
  if (recent.size >= RECENT) recent.clear()
  recent.set(raw, read)
  return read
}

function readAddress(raw: string): KnownAddress | null {
  const parsed = parseAddress(raw)
  if (parsed === null) return null
  const address = `${parsed.local.toLowerCase()}@${parsed.domain}`
  return { address, domain: parsed.domain, hash: sha256(address) }
}

/** The hash of an address; null where it is none. */
export const hashAddress = (raw: string): string | null => knowAddress(raw)?.hash ?? null

/** A domain in lower case as A-label. Null: it is none. */
export const knowDomain = (raw: string): string | null => parseAddress(`a@${raw.trim()}`)?.domain ?? null

/** The hash under which a whole domain stands on a list. */
export const hashDomain = (domain: string): string => sha256(`@${domain}`)

function sha256(text: string): string {
  return hash('sha256', text)
}

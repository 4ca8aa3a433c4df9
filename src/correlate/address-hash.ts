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

export type HashedAddress = { readonly address: string; readonly domain: string; readonly hash: string }

/** A report names its recipient half a dozen times: what was read lately is known. */
const CACHE_SIZE = 256
const MAX_CACHED_LENGTH = 320
const cache = new Map<string, HashedAddress | null>()

/** Reads and normalises one address. Null: it is none that one can send to. */
export function normaliseAddress(raw: string): HashedAddress | null {
  const cached = cache.get(raw)
  if (cached !== undefined) return cached
  const read = parseAndHash(raw)
  if (raw.length > MAX_CACHED_LENGTH) return read
  if (cache.size >= CACHE_SIZE) cache.clear()
  cache.set(raw, read)
  return read
}

function parseAndHash(raw: string): HashedAddress | null {
  const parsed = parseAddress(raw)
  if (parsed === null) return null
  const address = `${parsed.local.toLowerCase()}@${parsed.domain}`
  return { address, domain: parsed.domain, hash: sha256(address) }
}

/** The hash of an address; null where it is none. */
export const hashAddress = (raw: string): string | null => normaliseAddress(raw)?.hash ?? null

/** A domain in lower case as A-label. Null: it is none. */
export const normaliseDomain = (raw: string): string | null => parseAddress(`a@${raw.trim()}`)?.domain ?? null

/** The hash under which a whole domain stands on a list. */
export const hashDomain = (domain: string): string => sha256(`@${domain}`)

function sha256(text: string): string {
  return hash('sha256', text)
}

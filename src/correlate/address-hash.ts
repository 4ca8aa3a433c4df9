/**
 * address-hash - one normal form and one hash for each address
 *
 * Lists are keyed by the hash, so that their protection survives the erasure of the clear address. The normal form is lower case, with the
 * domain as an A-label without a trailing dot. A domain by itself is hashed as `@domain`.
 *
 * Pure, total. See also: mail/mime/address (parser), ledger/suppress/suppression.
 */
import { hash } from 'node:crypto'
import { parseAddress } from '../mail/mime/address.ts'

export type HashedAddress = { readonly address: string; readonly domain: string; readonly hash: string }

/** A report names its recipient several times. */
const CACHE_SIZE = 256
const MAX_CACHED_LENGTH = 320
const cache = new Map<string, HashedAddress | null>()

/** Parses and normalises one address. Null: not a valid address. */
export function normaliseAddress(raw: string): HashedAddress | null {
  const cached = cache.get(raw)
  if (cached !== undefined) return cached
  const hashed = parseAndHash(raw)
  if (raw.length > MAX_CACHED_LENGTH) return hashed
  if (cache.size >= CACHE_SIZE) cache.clear()
  cache.set(raw, hashed)
  return hashed
}

function parseAndHash(raw: string): HashedAddress | null {
  const parsed = parseAddress(raw)
  if (parsed === null) return null
  const address = `${parsed.local.toLowerCase()}@${parsed.domain}`
  return { address, domain: parsed.domain, hash: sha256(address) }
}

/** The hash of an address; null if it is not valid. */
export const hashAddress = (raw: string): string | null => normaliseAddress(raw)?.hash ?? null

/** A domain in lower case as an A-label. Null: not a valid domain. */
export const normaliseDomain = (raw: string): string | null => parseAddress(`a@${raw.trim()}`)?.domain ?? null

/** The hash of a list entry for a whole domain. */
export const hashDomain = (domain: string): string => sha256(`@${domain}`)

function sha256(text: string): string {
  return hash('sha256', text)
}

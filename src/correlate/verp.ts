/**
 * verp - the addresses to which reports about the mail of a foreign MTA come back
 *
 * An account that sends with an MTA of its own may have a Return-Path that contains the recipient: `bounces+user=example.org@rp.example.com`. The
 * operator says which addresses belong to which account: by the address in front, `bounces@rp.example.com`, for the usual shapes, or by a pattern,
 * `b-{id}-{user}={domain}@rp.example.com`. Anybody can write such an address: it names an account and a recipient, and proves nothing by itself.
 *
 * Pure, total. See also: correlate/verp-pattern, correlate/return-path-unwrap (what relays wrap around it), correlate/match, correlate/trust.
 */
import { hashAddress, normaliseDomain } from './address-hash.ts'
import { unwrapReturnPath } from './return-path-unwrap.ts'
import { parseVerpPattern, readVerpRecipient, type VerpPattern } from './verp-pattern.ts'

/** What VERP of an account may prove: nothing, a status, or a status and its bounce list. */
export const VERP_TRUSTS = ['none', 'status', 'list'] as const
export type VerpTrust = (typeof VERP_TRUSTS)[number]

/** A setting of an account. `address` is the one without a recipient, in lower case; null: the setting is a pattern. */
export type VerpAddress = {
  readonly account: number
  readonly domain: string
  readonly address: string | null
  readonly patterns: readonly VerpPattern[]
}

/** The account and the recipient that a VERP address names. */
export type VerpReference = { readonly via: 'verp'; readonly account: number; readonly addressHash: string }

/** What stands behind an address without a recipient; the first that fits decides. */
const USUAL_ENDINGS = ['+{user}={domain}', '-{user}={domain}', '+{user}={domain}-{id}', '-{user}={domain}-{id}'] as const
/** A report has one, in its recipient or in the Return-Path; each is looked up in the store. */
const MAX_VERP_REFERENCES = 2

/** A setting in lower case, with its domain as an A-label. Null: it is neither an address nor a pattern with one reading. */
export function normaliseVerpAddress(text: string): string | null {
  const at = text.lastIndexOf('@')
  const local = text.slice(0, at).trim().toLowerCase()
  const domain = at < 1 ? null : normaliseDomain(text.slice(at + 1))
  const isValid = local.includes('{') ? parseVerpPattern(local) !== null : hashAddress(text) !== null && patternsOf(local).length > 0
  return domain !== null && isValid ? `${local}@${domain}` : null
}

/** A setting in its parts. Null: it is neither an address nor a pattern. */
export function parseVerpAddress(account: number, text: string): VerpAddress | null {
  const address = normaliseVerpAddress(text)
  if (address === null) return null
  const at = address.lastIndexOf('@')
  const isPattern = address.includes('{')
  return { account, domain: address.slice(at + 1), address: isPattern ? null : address, patterns: patternsOf(address.slice(0, at)) }
}

const patternsOf = (local: string): readonly VerpPattern[] =>
  (local.includes('{') ? [local] : USUAL_ENDINGS.map((ending) => `${local}${ending}`)).flatMap((text) => parseVerpPattern(text) ?? [])

/** The account to which reports at this address belong: that of a VERP address, or of the one without a recipient. Null: it is none. */
export const verpAccountOf = (recipient: string, own: readonly VerpAddress[]): number | null =>
  own.find(({ address }) => address === recipient.toLowerCase())?.account ?? findVerpReferences([recipient], own)[0]?.account ?? null

/**
 * What these addresses, one of which is a VERP address, name. Each account and recipient once.
 *
 *     findVerpReferences(['bounces+joe=example.org@rp.example.com'], [parseVerpAddress(1, 'bounces@rp.example.com')])
 *     → [{ via: 'verp', account: 1, addressHash: hashAddress('joe@example.org') }]
 */
export function findVerpReferences(addresses: readonly string[], own: readonly VerpAddress[]): readonly VerpReference[] {
  if (own.length === 0) return []
  const found = addresses
    .flatMap((address) => unwrapReturnPath(address))
    .flatMap((address) => own.flatMap((each) => readVerpAddress(address, each) ?? []))
  return [...new Map(found.map((each) => [`${each.account}/${each.addressHash}`, each])).values()].slice(0, MAX_VERP_REFERENCES)
}

function readVerpAddress(address: string, { account, domain, patterns }: VerpAddress): VerpReference | null {
  const at = address.lastIndexOf('@')
  if (at < 0 || address.slice(at + 1).toLowerCase() !== domain) return null
  const local = address.slice(0, at)
  for (const pattern of patterns) {
    const recipient = readVerpRecipient(pattern, local)
    const addressHash = recipient === null ? null : hashAddress(recipient)
    if (addressHash !== null) return { via: 'verp', account, addressHash }
  }
  return null
}

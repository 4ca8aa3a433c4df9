/**
 * verp - the addresses to which reports about the mail of a foreign MTA come back
 *
 * An account that sends with an MTA of its own may have a Return-Path that contains the recipient: `bounces+user=example.org@rp.example.com`. The
 * operator says to which account the address in front, `bounces@rp.example.com`, belongs. The recipient is what stands between that name and the last
 * equals sign, so that a recipient may itself contain `+`, `-` and `=`. Anybody can write such an address: it names an account and a recipient, and
 * proves nothing by itself.
 *
 * Pure, total. See also: correlate/return-path-unwrap (what relays wrap around it), correlate/match, correlate/trust.
 */
import { hashAddress, normaliseAddress } from './address-hash.ts'
import { unwrapReturnPath } from './return-path-unwrap.ts'

/** What VERP of an account may prove: nothing, a status, or a status and its bounce list. */
export const VERP_TRUSTS = ['none', 'status', 'list'] as const
export type VerpTrust = (typeof VERP_TRUSTS)[number]

/** An address without its recipient, in lower case, and the account that it belongs to. */
export type VerpAddress = { readonly account: number; readonly local: string; readonly domain: string }

/** The account and the recipient that a VERP address names. */
export type VerpReference = { readonly via: 'verp'; readonly account: number; readonly addressHash: string }

const SEPARATORS = ['+', '-'] as const
/** A report has one, in its recipient or in the Return-Path; each is looked up in the store. */
const MAX_VERP_REFERENCES = 2

/** An address of a setting in its parts. Null: it is no address. */
export function parseVerpAddress(account: number, address: string): VerpAddress | null {
  const parsed = normaliseAddress(address)
  return parsed === null ? null : { account, local: parsed.address.slice(0, -parsed.domain.length - 1), domain: parsed.domain }
}

/**
 * What these addresses, one of which is a VERP address, name. Each account and recipient once.
 *
 *     findVerpReferences(['bounces+joe=example.org@rp.example.com'], [{ account: 1, local: 'bounces', domain: 'rp.example.com' }])
 *     → [{ via: 'verp', account: 1, addressHash: hashAddress('joe@example.org') }]
 */
export function findVerpReferences(addresses: readonly string[], own: readonly VerpAddress[]): readonly VerpReference[] {
  if (own.length === 0) return []
  const found = addresses
    .filter((address) => address.includes('='))
    .flatMap((address) => unwrapReturnPath(address))
    .flatMap((address) => own.flatMap((each) => readVerpAddress(address, each) ?? []))
  return [...new Map(found.map((each) => [`${each.account}/${each.addressHash}`, each])).values()].slice(0, MAX_VERP_REFERENCES)
}

function readVerpAddress(address: string, { account, local, domain }: VerpAddress): VerpReference | null {
  const at = address.lastIndexOf('@')
  if (address.slice(at + 1).toLowerCase() !== domain) return null
  const written = address.slice(0, at)
  const isOwn = SEPARATORS.some((separator) => written.toLowerCase().startsWith(`${local}${separator}`))
  const equals = written.lastIndexOf('=')
  if (!isOwn || equals <= local.length) return null
  const addressHash = hashAddress(`${written.slice(local.length + 1, equals)}@${written.slice(equals + 1)}`)
  return addressHash === null ? null : { via: 'verp', account, addressHash }
}

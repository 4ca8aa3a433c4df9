/**
 * return-path-unwrap - removes what relays wrap around a Return-Path
 *
 * | form                                    | written by                           |
 * |-----------------------------------------|--------------------------------------|
 * | SRS0=hash=day=domain=local@relay        | a forwarder (libsrs2, pfix-srsd)     |
 * | SRS1=hash=relay==hash=day=domain=local@ | a forwarder behind a forwarder       |
 * | user+SRS=hash=day=domain=local@relay    | Exchange Online                      |
 * | prvs=tag=local@domain, prvs=local/tag@  | BATV (draft-levine-smtp-batv)        |
 * | btv1==tag==local@domain, msprvs1=tag=…  | similar schemes of mail gateways     |
 * | list-bounces+local=domain@host          | VERP of list servers                 |
 *
 * Forms can be nested. The separator after SRS0 and SRS1 may be `=`, `+` or `-`; letter case is ignored.
 *
 * Pure, total, linear. See also: correlate/token, correlate/references.
 */

/** Real mail is not nested deeper. */
const MAX_DEPTH = 6
/** SRS and VERP exceed the 64 octets of a local part, but no real address exceeds this. */
const MAX_ADDRESS_LENGTH = 512

type AddressParts = { readonly local: string; readonly domain: string }

/** Each removes one form, or returns null if the address does not have it. The first that matches decides. */
const UNWRAPPERS: readonly ((parts: AddressParts) => string | null)[] = [unwrapSrs, unwrapBatv, unwrapVerp]

/**
 * The address, followed by what it wraps, the innermost last. Total.
 *
 *     unwrapReturnPath('prvs=3456789abc=joe@example.com') → ['prvs=3456789abc=joe@example.com', 'joe@example.com']
 */
export function unwrapReturnPath(address: string): readonly string[] {
  const found: string[] = []
  let current: string | null = address.trim().replace(/^</, '').replace(/>$/, '')
  // Every form contains an equals sign.
  if (!current.includes('=')) return current === '' || current.length > MAX_ADDRESS_LENGTH ? [] : [current]
  while (
    current !== null &&
    current !== '' &&
    current.length <= MAX_ADDRESS_LENGTH &&
    found.length < MAX_DEPTH &&
    !found.includes(current)
  ) {
    found.push(current)
    current = unwrapOnce(current)
  }
  return found
}

function unwrapOnce(address: string): string | null {
  const parts = splitAddress(address)
  for (const unwrapper of UNWRAPPERS) {
    const inner = unwrapper(parts)
    if (inner !== null) return inner
  }
  return null
}

function splitAddress(address: string): AddressParts {
  const at = address.lastIndexOf('@')
  return at < 0 ? { local: address, domain: '' } : { local: address.slice(0, at), domain: address.slice(at + 1) }
}

/** `hash=day=domain=local`. The local part may contain `=`. */
function unwrapSrs({ local }: AddressParts): string | null {
  const lower = local.toLowerCase()
  const first = /^srs1[=+-][^=]{0,40}=[^=]{0,255}=[=+-]?/.exec(lower)
  if (first !== null) return parseSrsAddress(local.slice(first[0].length))
  if (/^srs0[=+-]/.test(lower)) return parseSrsAddress(local.slice(5))
  const plus = lower.indexOf('+srs=')
  return plus < 0 ? null : parseSrsAddress(local.slice(plus + 5))
}

function parseSrsAddress(rest: string): string | null {
  const [hash, day, domain, ...local] = rest.split('=')
  return hash === undefined || day === undefined || domain === undefined || domain === '' || local.length === 0
    ? null
    : `${local.join('=')}@${domain}`
}

function unwrapBatv({ local, domain }: AddressParts): string | null {
  const slash = /^prvs=([^/=]{1,250})\/[0-9a-z]{6,20}$/i.exec(local)
  if (slash?.[1] !== undefined) return `${slash[1]}@${domain}`
  const tagged = /^(?:prvs=|msprvs1=|btv1==)([^=]{1,64})={1,2}(.+)$/i.exec(local)
  if (tagged?.[1] === undefined || tagged[2] === undefined) return null
  // `prvs=local=tag` is the older order: the tag is the part of ten characters.
  return /^[0-9a-z]{10}$/i.test(tagged[2]) && !/^[0-9a-z]{10}$/i.test(tagged[1]) ? `${tagged[1]}@${domain}` : `${tagged[2]}@${domain}`
}

/** `anything+local=domain` and `anything-local=domain`, if the part after `=` looks like a domain. */
function unwrapVerp({ local }: AddressParts): string | null {
  const equals = local.lastIndexOf('=')
  if (equals < 1) return null
  const domain = local.slice(equals + 1)
  if (!/^[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}$/.test(domain)) return null
  const before = local.slice(0, equals)
  const plus = before.lastIndexOf('+')
  const separator = plus >= 0 ? plus : before.lastIndexOf('-')
  return `${before.slice(separator + 1)}@${domain}`
}

/**
 * return-path-unwrap - what relays put around a return path, taken off
 *
 * | dress                                   | who                                  |
 * |-----------------------------------------|--------------------------------------|
 * | SRS0=hash=day=domain=local@relay        | a forwarder (libsrs2, pfix-srsd)     |
 * | SRS1=hash=relay==hash=day=domain=local@ | the forwarder after a forwarder      |
 * | user+SRS=hash=day=domain=local@relay    | Exchange Online                      |
 * | prvs=tag=local@domain, prvs=local/tag@  | BATV (draft-levine-smtp-batv)        |
 * | btv1==tag==local@domain, msprvs1=tag=…  | its relatives in gateways            |
 * | list-bounces+local=domain@host          | VERP of list servers                 |
 *
 * They nest. The separator behind SRS0 and SRS1 may be `=`, `+` or `-`, and letter case is anybody's.
 *
 * Pure, total, linear. See also: correlate/token, correlate/references.
 */

/** Deeper nests are none that mail has met. */
const MAX_DEPTH = 6
/** SRS and VERP go beyond the 64 octets of a local part; nothing real goes beyond this. */
const MAX_ADDRESS = 512

type Parts = { readonly local: string; readonly domain: string }

/** Each takes one dress off, or knows it is not worn. The first that knows it decides. */
const DRESSES: readonly ((parts: Parts) => string | null)[] = [offSrs, offBatv, offVerp]

/**
 * The address and then what it wraps, the innermost last.
 *
 *     unwrap('SRS0=ab12=XY=example.com=joe@relay.example.net') → ['SRS0=ab12=XY=example.com=joe@relay.example.net', 'joe@example.com']
 */
export function unwrap(address: string): readonly string[] {
  const found: string[] = []
  let now: string | null = address.trim().replace(/^</, '').replace(/>$/, '')
  // Every dress holds an equals sign.
  if (!now.includes('=')) return now === '' || now.length > MAX_ADDRESS ? [] : [now]
  while (now !== null && now !== '' && now.length <= MAX_ADDRESS && found.length < MAX_DEPTH && !found.includes(now)) {
    found.push(now)
    now = takeOff(now)
  }
  return found
}

/** Every run of characters of an address, unwrapped, that may be a token: the local parts' pieces between separators, of 14 to 30 characters. */
export function tokenPieces(address: string): readonly string[] {
  const locals = unwrap(address).map((each) => split(each).local)
  const pieces = locals.toReversed().flatMap((local) => local.split(/[^A-Za-z0-9]/))
  return [...new Set(pieces.filter((piece) => piece.length >= 14 && piece.length <= 30))]
}

function takeOff(address: string): string | null {
  const parts = split(address)
  for (const off of DRESSES) {
    const inner = off(parts)
    if (inner !== null) return inner
  }
  return null
}

function split(address: string): Parts {
  const at = address.lastIndexOf('@')
  return at < 0 ? { local: address, domain: '' } : { local: address.slice(0, at), domain: address.slice(at + 1) }
}

/** `hash=day=domain=local`, whose local part may hold `=` itself. */
function offSrs({ local }: Parts): string | null {
  const lower = local.toLowerCase()
  const first = /^srs1[=+-][^=]{0,40}=[^=]{0,255}=[=+-]?/.exec(lower)
  if (first !== null) return fromSrs(local.slice(first[0].length))
  if (/^srs0[=+-]/.test(lower)) return fromSrs(local.slice(5))
  const plus = lower.indexOf('+srs=')
  return plus < 0 ? null : fromSrs(local.slice(plus + 5))
}

function fromSrs(rest: string): string | null {
  const [hash, day, domain, ...local] = rest.split('=')
  return hash === undefined || day === undefined || domain === undefined || domain === '' || local.length === 0
    ? null
    : `${local.join('=')}@${domain}`
}

function offBatv({ local, domain }: Parts): string | null {
  const slash = /^prvs=([^/=]{1,250})\/[0-9a-z]{6,20}$/i.exec(local)
  if (slash?.[1] !== undefined) return `${slash[1]}@${domain}`
  const tagged = /^(?:prvs=|msprvs1=|btv1==)([^=]{1,64})={1,2}(.+)$/i.exec(local)
  if (tagged?.[1] === undefined || tagged[2] === undefined) return null
  // `prvs=local=tag` is the older order: the tag is the piece of ten.
  return /^[0-9a-z]{10}$/i.test(tagged[2]) && !/^[0-9a-z]{10}$/i.test(tagged[1]) ? `${tagged[1]}@${domain}` : `${tagged[2]}@${domain}`
}

/** `anything+local=domain` and `anything-local=domain`: the domain is what a domain looks like. */
function offVerp({ local }: Parts): string | null {
  const equals = local.lastIndexOf('=')
  if (equals < 1) return null
  const domain = local.slice(equals + 1)
  if (!/^[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}$/.test(domain)) return null
  const before = local.slice(0, equals)
  const plus = before.lastIndexOf('+')
  const cut = plus >= 0 ? plus : before.lastIndexOf('-')
  return `${before.slice(cut + 1)}@${domain}`
}

/**
 * ssrf-guard - whether a URL that a user gave may be called: never into our own network, unless a setting says so
 *
 * Three looks: at the URL (scheme, no credentials), at its host when that is an address in any spelling (the URL parser has made 127.1,
 * 2130706433 and 0x7f.1 one), and at every address that its name resolves to, at the moment of the connection: a name that turns to an
 * inner address later is refused then. One inner address among good ones refuses the name. Only what is known to be public passes:
 * unicast IPv4, and unicast of 2000::/3.
 *
 * RFC 6890 (special addresses), RFC 6761 (localhost), WHATWG URL (host parser). See also: net/http-post.
 */
import { lookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { Fault } from '../errors.ts'

type ResolvedAddress = { readonly address: string; readonly family: number }
/** Every address of a name; rejects where there is none. */
export type ResolveHost = (host: string) => Promise<readonly ResolvedAddress[]>

type SsrfGuardOptions = {
  readonly allowPrivate: boolean
  /** Hosts that may be private, as they stand in the URL: names or addresses. */
  readonly allowHosts: readonly string[]
  readonly resolve?: ResolveHost
}

export type SsrfGuard = {
  /** The URL, when it may be called so far as its text says. Faults: bad_request. */
  readonly parseUrl: (text: string) => URL
  /** The same, and its name is resolved. Faults: bad_request. */
  readonly checkUrl: (text: string) => Promise<URL>
  /** For sockets: gives only addresses that may be called. */
  readonly lookup: LookupFunction
}

/** Longer URLs are no callers' business: browsers and proxies stop at 2,000 to 8,000. */
const MAX_URL_CHARACTERS = 2_000

/** Names that are never public (RFC 6761, RFC 8375, RFC 6762, and the clouds' own). */
const PRIVATE_NAMES = ['localhost', 'local', 'internal', 'home.arpa', 'localdomain'] as const

/** Makes the guard. */
export function createSsrfGuard(options: SsrfGuardOptions): SsrfGuard {
  const allowed = new Set(options.allowHosts.map((host) => bareHost(host.toLowerCase())))
  const resolve = options.resolve ?? resolveBySystem
  const isPrivateAllowed = (host: string): boolean => options.allowPrivate || allowed.has(host)
  const addressesOf = async (host: string): Promise<readonly ResolvedAddress[]> => {
    const found = await resolve(host)
    const privateAddress = isPrivateAllowed(host) ? undefined : found.find(({ address }) => !isPublicAddress(address))
    if (privateAddress !== undefined) throw targetRefused(`${host} resolves to an address that is not public`)
    if (found.length === 0) throw targetRefused(`${host} has no address`)
    return found
  }
  const parseUrl = (text: string): URL => {
    const url = parseHttpUrl(text)
    const host = bareHost(url.hostname)
    if (!isPrivateAllowed(host) && !isPublicHost(host)) throw targetRefused(`${host} is not public`)
    return url
  }
  const checkUrl = async (text: string): Promise<URL> => {
    const url = parseUrl(text)
    const host = bareHost(url.hostname)
    if (isIP(host) !== 0) return url
    try {
      await addressesOf(host)
    } catch (cause) {
      throw cause instanceof Fault ? cause : new Fault('bad_request', `${host} does not resolve`, { cause })
    }
    return url
  }
  return { parseUrl, checkUrl, lookup: createLookup(addressesOf) }
}

/** Node's way of asking: with `all` a list, without it the first. */
function createLookup(addressesOf: ResolveHost): LookupFunction {
  return (host, options, respond) => {
    addressesOf(bareHost(host.toLowerCase())).then(
      (found) => {
        const [first] = found
        if (options.all === true) respond(null, [...found])
        else respond(null, first?.address ?? '', first?.family ?? 4)
      },
      (error: unknown) => respond(error instanceof Error ? error : new Error('the name does not resolve'), ''),
    )
  }
}

const resolveBySystem: ResolveHost = (host) => lookup(host, { all: true })

function parseHttpUrl(text: string): URL {
  const url = text.length > MAX_URL_CHARACTERS ? null : URL.parse(text)
  if (url === null) throw targetRefused('it is no URL')
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw targetRefused('only http and https are called')
  if (url.username !== '' || url.password !== '') throw targetRefused('a URL with a name or a password in it is not called')
  return url
}

function targetRefused(reason: string): Fault {
  return new Fault('bad_request', `the target is refused: ${reason} (webhooks.allowPrivate, webhooks.allowHosts)`)
}

/** An IPv6 host without its brackets, a name without the dot of the root. */
const bareHost = (host: string): string => host.replace(/^\[|\]$/g, '').replace(/\.$/, '')

function isPublicHost(host: string): boolean {
  if (host === '') return false
  if (isIP(host) !== 0) return isPublicAddress(host)
  return !PRIVATE_NAMES.some((name) => host === name || host.endsWith(`.${name}`))
}

/** Whether an address is one of the open network. Total: what is no address is not. IPv4 in the dress of IPv6 is judged as IPv4. */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false
  const address = ipaddr.process(text)
  if (address.range() !== 'unicast') return false
  if (address.kind() === 'ipv4') return true
  // IANA has given out addresses of 2000::/3 alone; the rest carries IPv4 inside or means nothing yet.
  return ((address.toByteArray()[0] ?? 0) & 0xe0) === 0x20
}

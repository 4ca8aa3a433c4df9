/**
 * ssrf-guard - decides whether a URL that a user gave may be requested: never in a private network, unless a setting allows it
 *
 * Checks the URL (scheme, no credentials), its host if that is an address in any spelling (the URL parser turns 127.1, 2130706433 and 0x7f.1 into 127.0.0.1),
 * and every address that its name resolves to at the time of the connection, so that a name cannot point to a private address later. One private address refuses
 * the whole name. Only addresses that are known to be public pass: unicast IPv4, and unicast of 2000::/3.
 *
 * RFC 6890 (special addresses), RFC 6761 (localhost), WHATWG URL (host parser). See also: net/http-post.
 */
import { lookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { Fault } from '../errors.ts'
import type { DnsLookup } from './dns.ts'

type ResolvedAddress = { readonly address: string; readonly family: number }
/** Returns every address of a name; rejects if there is none. */
export type ResolveHost = (host: string) => Promise<readonly ResolvedAddress[]>

type SsrfGuardOptions = {
  readonly allowPrivate: boolean
  /** Hosts that may be private, as they are written in the URL: names or addresses. */
  readonly allowHosts: readonly string[]
  readonly resolve?: ResolveHost
  /** Without `resolve`: finds the addresses of hosts that must be public. Its queries end at the time limit. */
  readonly lookUp?: DnsLookup
}

export type SsrfGuard = {
  /** Checks the text of a URL. Faults: bad_request. */
  readonly parseUrl: (text: string) => URL
  /** Checks the URL and the addresses of its name. Faults: bad_request. */
  readonly checkUrl: (text: string) => Promise<URL>
  /** The look-up for sockets: returns only addresses that are allowed. */
  readonly lookup: LookupFunction
}

/** Browsers and proxies accept 2,000 to 8,000. */
const MAX_URL_CHARACTERS = 2_000

/** The time that a whole webhook request has (net/http-post). */
const LOOKUP_LIMIT_MS = 3_000

/** Names that are never public (RFC 6761, RFC 6762, RFC 8375, and names that cloud providers use). */
const PRIVATE_NAMES = ['localhost', 'local', 'internal', 'home.arpa', 'localdomain'] as const

/** Creates the guard. */
export function createSsrfGuard(options: SsrfGuardOptions): SsrfGuard {
  const allowed = new Set(options.allowHosts.map((host) => bareHost(host.toLowerCase())))
  const isPrivateAllowed = (host: string): boolean => options.allowPrivate || allowed.has(host)
  const resolve = options.resolve ?? resolverOf(options.lookUp, isPrivateAllowed)
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

/** The interface of Node: a list with `all`, otherwise the first address. */
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

/**
 * The system's resolver knows the local names that an operator allows, but its queries occupy a thread of the process and cannot be ended. Any user
 * can name a public host whose DNS servers never answer, so these are looked up by DNS.
 */
function resolverOf(lookUp: DnsLookup | undefined, isPrivateAllowed: (host: string) => boolean): ResolveHost {
  if (lookUp === undefined) return resolveBySystem
  return async (host) => (isPrivateAllowed(host) ? resolveBySystem(host) : resolveByDns(lookUp, host))
}

/** Both families at once. Rejects if neither has an address within the limit; then its queries have ended. */
async function resolveByDns(lookUp: DnsLookup, host: string): Promise<readonly ResolvedAddress[]> {
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), LOOKUP_LIMIT_MS)
  try {
    const families = [4, 6] as const
    const results = await Promise.allSettled(families.map(async (family) => lookUp(host, family === 4 ? 'A' : 'AAAA', abort.signal)))
    const addresses = results.flatMap((result, n) =>
      result.status === 'fulfilled' ? result.value.flat().map((address) => ({ address, family: families[n] ?? 4 })) : [],
    )
    const failed = results.find((result) => result.status === 'rejected')
    if (addresses.length === 0 && failed !== undefined) throw failed.reason
    return addresses
  } finally {
    clearTimeout(timer)
  }
}

const resolveBySystem: ResolveHost = (host) => lookup(host, { all: true })

function parseHttpUrl(text: string): URL {
  const url = text.length > MAX_URL_CHARACTERS ? null : URL.parse(text)
  if (url === null) throw targetRefused('it is not a URL')
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw targetRefused('only http and https are allowed')
  if (url.username !== '' || url.password !== '') throw targetRefused('a URL must not contain a user name or a password')
  return url
}

function targetRefused(reason: string): Fault {
  return new Fault('bad_request', `the target is refused: ${reason} (webhooks.allowPrivate, webhooks.allowHosts)`)
}

/** An IPv6 address without brackets, a name without the final dot. */
const bareHost = (host: string): string => host.replace(/^\[|\]$/g, '').replace(/\.$/, '')

function isPublicHost(host: string): boolean {
  if (host === '') return false
  if (isIP(host) !== 0) return isPublicAddress(host)
  return !PRIVATE_NAMES.some((name) => host === name || host.endsWith(`.${name}`))
}

/** Whether an address is public. Total: false for a text that is not an address. An IPv4-mapped IPv6 address is judged as IPv4. */
export function isPublicAddress(text: string): boolean {
  if (!ipaddr.isValid(text)) return false
  const address = ipaddr.process(text)
  if (address.range() !== 'unicast') return false
  if (address.kind() === 'ipv4') return true
  // IANA has allocated global unicast addresses from 2000::/3 only; the rest embeds IPv4 or is unassigned.
  return ((address.toByteArray()[0] ?? 0) & 0xe0) === 0x20
}

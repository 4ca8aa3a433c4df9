/**
 * mx - finds the hosts that receive the mail of a domain
 *
 * Called before an attempt, for the backoff keys that cover it, and during the attempt, for its route. A domain without MX is its own host. A null MX, a domain that
 * does not exist and a domain without any address are permanent failures; a failing resolver is a temporary one and never counts as "no such record". Hosts with the
 * same preference are shuffled for each attempt. Both spellings of an international domain are the same domain.
 *
 * Answers are cached for minutes (Node does not report the TTL of an MX), "none" for a minute, failures for seconds, so that a campaign asks once.
 * Resolver, chance and clock are arguments. Never rejects.
 *
 * RFC 5321 §5.1, RFC 7505 (null MX), RFC 5890. See also: net/dns, smtp-client/routing, queue/backoff/backoff-key (what the set is for).
 */
import { isIP } from 'node:net'
import { LRUCache } from 'lru-cache'
import { upToEntries } from './cache-bound.ts'
import { siteOfMxHost } from '../classify/mx-site.ts'
import { siteOf } from '../classify/provider.ts'
import type { RuleTable } from '../classify/rule-table.ts'
import { toALabels } from '../mail/mime/idna.ts'
import type { DnsLookup } from './dns.ts'

type MxHost = { readonly name: string; readonly preference: number }

/** The replies that stand for a permanent failure. */
export const NO_MX_REPLIES = {
  'null-mx': { code: 556, text: '556 5.1.10 Recipient address has null MX' },
  'no-domain': { code: 550, text: '550 5.1.2 Host or domain name not found' },
  'no-host': { code: 550, text: '550 5.4.4 Domain has neither an MX host nor an address' },
  'bad-name': { code: 553, text: '553 5.1.3 The domain is no domain name' },
} as const satisfies Record<string, { readonly code: number; readonly text: string }>

type NoMxReason = keyof typeof NO_MX_REPLIES

type MxResult =
  /** By preference, then by name. `implicit`: the domain itself. `set` names the hosts, independently of their order. */
  | { readonly kind: 'hosts'; readonly hosts: readonly MxHost[]; readonly implicit: boolean; readonly set: string }
  | { readonly kind: 'none'; readonly why: NoMxReason }
  | { readonly kind: 'failed'; readonly text: string }

export type AddressResult =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  | { readonly kind: 'none' }
  | { readonly kind: 'failed'; readonly text: string }

export type MxResolver = {
  readonly find: (domain: string) => Promise<MxResult>
  /** The addresses of a host: of one family, or of both with IPv6 first. */
  readonly addressesOf: (host: string, family: 4 | 6 | null) => Promise<AddressResult>
}

type MxResolverOptions = { readonly lookUp: DnsLookup; readonly now?: () => number; readonly cacheMs?: number }

/** Most MX records have a TTL of five minutes or longer. Milliseconds. */
const CACHE_MS = 300_000

/** By the kind of answer. Milliseconds. */
const SHORTER_CACHE_MS: Readonly<Record<string, number>> = { none: 60_000, failed: 5_000 }

/** More than the domains of most campaigns; a few megabytes. */
const CACHE_SIZE = 20_000

/** More hosts than any provider has. Further hosts of a zone are ignored. */
const MAX_HOSTS = 20

/** Longer chains of CNAMEs are a mistake. */
const MAX_ALIASES = 8

/** The set is part of backoff keys, so its size is limited. */
const MAX_SET_CHARACTERS = 500

type CacheEntry<T> = { readonly answer: Promise<T> }

/** Creates the resolver. */
export function createMxResolver({ lookUp, now = () => performance.now(), cacheMs = CACHE_MS }: MxResolverOptions): MxResolver {
  const withCache = <T extends { readonly kind: string }>(queryName: (name: string) => Promise<T>): ((name: string) => Promise<T>) => {
    const cache = new LRUCache<string, CacheEntry<T>>({ ...upToEntries(CACHE_SIZE), perf: { now }, ttlResolution: 0 })
    return (name) => {
      const cached = cache.get(name)
      if (cached !== undefined) return cached.answer
      const entry = { answer: queryName(name) }
      // Concurrent callers share the query; the time to keep the answer is known when it arrives.
      cache.set(name, entry, { ttl: cacheMs })
      void entry.answer.then(({ kind }) => cache.set(name, entry, { ttl: Math.min(cacheMs, SHORTER_CACHE_MS[kind] ?? cacheMs) }))
      return entry.answer
    }
  }
  const resolveIpv4 = withCache((host: string) => queryAddresses(lookUp, host, 'A'))
  const resolveIpv6 = withCache((host: string) => queryAddresses(lookUp, host, 'AAAA'))
  const addressesOf = async (host: string, family: 4 | 6 | null): Promise<AddressResult> => {
    if (family !== null) return family === 4 ? resolveIpv4(host) : resolveIpv6(host)
    return mergeFamilies(await Promise.all([resolveIpv6(host), resolveIpv4(host)]))
  }
  const find = withCache((name: string) => resolveMx(lookUp, addressesOf, name))
  return { addressesOf, find: (domain) => find(normaliseDomain(domain)) }
}

/** The name as the cache and the resolver use it. */
const normaliseDomain = (domain: string): string => toALabels(domain.trim()).replace(/\.$/, '')

const DOMAIN_NAME = /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/

const isDomainName = (name: string): boolean => DOMAIN_NAME.test(name) && isIP(name) === 0

async function resolveMx(lookUp: DnsLookup, addressesOf: MxResolver['addressesOf'], domain: string): Promise<MxResult> {
  if (!isDomainName(domain)) return { kind: 'none', why: 'bad-name' }
  let name = domain
  for (let alias = 0; alias <= MAX_ALIASES; alias++) {
    const mx = await query(lookUp, name, 'MX')
    if (mx.kind === 'failed') return mx
    if (mx.kind === 'records') return hostsFromRecords(mx.records)
    const cname = await query(lookUp, name, 'CNAME')
    const target = cname.kind === 'records' ? normaliseDomain(cname.records[0]?.[0] ?? '') : ''
    if (cname.kind === 'failed') return cname
    if (isDomainName(target)) name = target
    else return implicitHost(await addressesOf(name, null), { domain: name, exists: mx.exists })
  }
  return { kind: 'failed', text: `${domain} is an alias with a chain of more than ${MAX_ALIASES} names` }
}

function hostsFromRecords(records: readonly (readonly string[])[]): MxResult {
  const read = records.map(([host = '', preference]) => ({ name: normaliseDomain(host), preference: Number(preference) || 0 }))
  if (read.every(({ name }) => name === '')) return { kind: 'none', why: 'null-mx' }
  const hosts = read.filter(({ name }) => isDomainName(name)).toSorted((a, b) => a.preference - b.preference || compare(a.name, b.name))
  if (hosts.length === 0) return { kind: 'none', why: 'no-host' }
  const tried = hosts.slice(0, MAX_HOSTS)
  return { kind: 'hosts', hosts: tried, implicit: false, set: hostSetOf(tried) }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The name of a set of hosts, independent of their order. */
function hostSetOf(hosts: readonly MxHost[]): string {
  return [...new Set(hosts.map(({ name }) => name))].toSorted(compare).join(',').slice(0, MAX_SET_CHARACTERS)
}

/** RFC 5321 §5.1: a domain without MX receives its mail at its own address. */
function implicitHost(found: AddressResult, { domain, exists }: { readonly domain: string; readonly exists: boolean }): MxResult {
  if (found.kind === 'failed') return found
  if (found.kind === 'none') return { kind: 'none', why: exists ? 'no-host' : 'no-domain' }
  return { kind: 'hosts', hosts: [{ name: domain, preference: 0 }], implicit: true, set: domain }
}

async function queryAddresses(lookUp: DnsLookup, host: string, type: 'A' | 'AAAA'): Promise<AddressResult> {
  const answer = await query(lookUp, host, type)
  if (answer.kind !== 'records') return answer
  const found = answer.records.flat().filter((each) => isIP(each) === (type === 'A' ? 4 : 6))
  return found.length === 0 ? { kind: 'none' } : { kind: 'addresses', addresses: found }
}

/** One family with addresses is enough; the answer is "none" only if both families have none. */
function mergeFamilies(found: readonly AddressResult[]): AddressResult {
  const all = found.flatMap((each) => (each.kind === 'addresses' ? each.addresses : []))
  if (all.length > 0) return { kind: 'addresses', addresses: all }
  return found.find(({ kind }) => kind === 'failed') ?? { kind: 'none' }
}

type DnsAnswer =
  | { readonly kind: 'records'; readonly records: readonly (readonly string[])[] }
  /** `exists` false: the name itself does not exist. */
  | { readonly kind: 'none'; readonly exists: boolean }
  | { readonly kind: 'failed'; readonly text: string }

/** These codes mean "no such record"; all others are failures of the resolver. */
const NO_RECORD_CODES: Readonly<Record<string, { readonly exists: boolean }>> = {
  ENOTFOUND: { exists: false },
  ENODATA: { exists: true },
  EBADNAME: { exists: false },
}

async function query(lookUp: DnsLookup, name: string, type: string): Promise<DnsAnswer> {
  try {
    const records = (await lookUp(name, type)).map((each) => (typeof each === 'string' ? [each] : each))
    return records.length === 0 ? { kind: 'none', exists: true } : { kind: 'records', records }
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : null
    const none = typeof code === 'string' ? NO_RECORD_CODES[code] : undefined
    if (none !== undefined) return { kind: 'none', ...none }
    return { kind: 'failed', text: `DNS ${type} ${name}: ${typeof code === 'string' ? code : 'failed'}` }
  }
}

/** Orders hosts by preference, and those of the same preference randomly. `random` returns a number in [0, 1). */
export function orderHosts(hosts: readonly MxHost[], random: () => number): MxHost[] {
  return hosts
    .map((host) => ({ host, at: random() }))
    .toSorted((a, b) => a.host.preference - b.host.preference || a.at - b.at)
    .map(({ host }) => host)
}

/**
 * The part of a destination that depends on DNS: the site is that of the most preferred host. A domain without MX hosts, or whose hosts are not known, is its own site.
 *
 *     destinationOf(table, 'example.com', found)   → { site: 'google', gateway: false, mxSet: 'aspmx.l.google.com,…' }
 */
export function destinationOf(
  table: RuleTable,
  domain: string,
  found: MxResult,
): { readonly site: string; readonly gateway: boolean; readonly mxSet: string } {
  const name = normaliseDomain(domain)
  const host = found.kind === 'hosts' && !found.implicit ? found.hosts[0]?.name : undefined
  const mxSet = found.kind === 'hosts' ? found.set : ''
  if (host !== undefined) return { ...siteOfMxHost(table, { host, hosts: mxSet.split(','), domain: name }), mxSet }
  const { site, isGateway: gateway } = siteOf(table, { domain: name })
  return { site, gateway, mxSet }
}

/**
 * dns - DNS look-ups with a time limit and a cache
 *
 * The signature is the one that mailauth expects: (name, type) → records, rejecting with the DNS error codes of Node. Answers are cached, "no such record"
 * included; failures of the resolver are not. Tests and offline replays pass another function of this type.
 */
import { Resolver } from 'node:dns/promises'
import { LRUCache } from 'lru-cache'

/** Resolves to records as mailauth expects them; rejects with an error whose `code` is ENOTFOUND, ENODATA, ETIMEOUT, … */
export type DnsLookup = (name: string, type: string) => Promise<string[][] | string[]>

type DnsLookupOptions = {
  readonly servers: readonly string[]
  readonly timeoutMs: number
  readonly cacheMs: number
  readonly cacheSize: number
}

type DnsAnswer = { readonly records: string[][] | string[] } | { readonly code: string }

/** These codes are answers ("no such record"), not failures. */
const NO_RECORD_CODES = new Set(['ENOTFOUND', 'ENODATA'])

/** Creates a look-up that asks the given servers, or those of the system if there are none. */
export function createDnsLookup(options: DnsLookupOptions): DnsLookup {
  const resolver = new Resolver({ timeout: options.timeoutMs, tries: 2 })
  if (options.servers.length > 0) resolver.setServers(options.servers)
  const cache = new LRUCache<string, DnsAnswer>({ max: options.cacheSize, ttl: options.cacheMs })
  return async (name, type) => {
    const key = `${type} ${name.toLowerCase()}`
    const cached = cache.get(key)
    if (cached !== undefined) return recordsOf(cached)
    const answer = await query(resolver, name, type)
    if ('records' in answer || NO_RECORD_CODES.has(answer.code)) cache.set(key, answer)
    return recordsOf(answer)
  }
}

function recordsOf(answer: DnsAnswer): string[][] | string[] {
  if ('records' in answer) return answer.records
  throw Object.assign(new Error(answer.code), { code: answer.code })
}

async function query(resolver: Resolver, name: string, type: string): Promise<DnsAnswer> {
  try {
    if (type === 'TXT') return { records: await resolver.resolveTxt(name) }
    if (type === 'A') return { records: await resolver.resolve4(name) }
    if (type === 'AAAA') return { records: await resolver.resolve6(name) }
    if (type === 'CNAME') return { records: await resolver.resolveCname(name) }
    if (type === 'PTR') return { records: await resolver.resolvePtr(name) }
    if (type === 'MX') return { records: (await resolver.resolveMx(name)).map((mx) => [mx.exchange, String(mx.priority)]) }
    return { code: 'ENODATA' }
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : null
    return { code: typeof code === 'string' ? code : 'EFAIL' }
  }
}

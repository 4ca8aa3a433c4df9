/**
 * dns - DNS look-ups with a time limit and a cache
 *
 * The signature is the one that mailauth expects: (name, type) → records, rejecting with the DNS error codes of Node. Answers are cached, "no such record"
 * included; failures of the resolver are not. A caller that stops waiting aborts its signal, which ends the query: nothing is sent again, and no socket
 * or timer remains. Tests and offline replays pass another function of this type.
 */
import { Resolver } from 'node:dns/promises'
import { LRUCache } from 'lru-cache'

/** Resolves to records as mailauth expects them; rejects with an error whose `code` is ENOTFOUND, ENODATA, ETIMEOUT, ECANCELLED (by the signal), … */
export type DnsLookup = (name: string, type: string, signal?: AbortSignal) => Promise<string[][] | string[]>

type DnsLookupOptions = {
  readonly servers: readonly string[]
  readonly timeoutMs: number
  readonly cacheMs: number
  readonly cacheSize: number
}

type DnsAnswer = { readonly records: string[][] | string[] } | { readonly code: string }

/** These codes are answers ("no such record"), not failures. */
const NO_RECORD_CODES = new Set(['ENOTFOUND', 'ENODATA'])

/** A name that no query can carry never has a record. */
const BAD_NAME_CODES = new Set(['EBADNAME', 'EBADQUERY'])

/** A resolver can cancel only all of its queries, so each query has one of its own. This many are kept for the next queries. */
const MAX_IDLE_RESOLVERS = 64

/** A key of 4,096 bits has 800 characters. A stranger can fill the cache with answers of 64 KB, so it is bounded in characters too. */
const MEAN_CACHED_CHARACTERS = 1_024

/** Creates a look-up that asks the given servers, or those of the system if there are none. */
export function createDnsLookup(options: DnsLookupOptions): DnsLookup {
  const idle: Resolver[] = []
  const cache = new LRUCache<string, DnsAnswer>({
    max: options.cacheSize,
    maxSize: options.cacheSize * MEAN_CACHED_CHARACTERS,
    sizeCalculation: (answer, key) => key.length + charactersOf(answer),
    ttl: options.cacheMs,
  })
  const query = async (name: string, type: string, signal?: AbortSignal): Promise<DnsAnswer> => {
    if (signal?.aborted === true) return { code: 'ECANCELLED' }
    const resolver = idle.pop() ?? createResolver(options)
    const cancel = (): void => resolver.cancel()
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      return await resolve(resolver, name, type)
    } finally {
      signal?.removeEventListener('abort', cancel)
      if (idle.length < MAX_IDLE_RESOLVERS) idle.push(resolver)
    }
  }
  return async (name, type, signal) => {
    const key = `${type} ${name.toLowerCase()}`
    const cached = cache.get(key)
    if (cached !== undefined) return recordsOf(cached)
    const answer = await query(name, type, signal)
    if ('records' in answer || NO_RECORD_CODES.has(answer.code)) cache.set(key, answer)
    return recordsOf(answer)
  }
}

function createResolver({ timeoutMs, servers }: DnsLookupOptions): Resolver {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 2 })
  if (servers.length > 0) resolver.setServers(servers)
  return resolver
}

function charactersOf(answer: DnsAnswer): number {
  return 'records' in answer ? answer.records.flat().reduce((sum, text) => sum + text.length, 1) : 1
}

function recordsOf(answer: DnsAnswer): string[][] | string[] {
  if ('records' in answer) return answer.records
  throw Object.assign(new Error(answer.code), { code: answer.code })
}

async function resolve(resolver: Resolver, name: string, type: string): Promise<DnsAnswer> {
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
    if (typeof code !== 'string') return { code: 'EFAIL' }
    return { code: BAD_NAME_CODES.has(code) ? 'ENOTFOUND' : code }
  }
}

/**
 * dns - DNS look-ups with a time limit and a cache
 *
 * The shape is the one mailauth asks for: (name, type) → records, rejecting with Node's DNS error codes. Answers,
 * the empty ones too, are kept for a while; failures of the resolver itself are not. Whoever needs another world
 * (tests, an offline replay) passes another function.
 */
import { Resolver } from 'node:dns/promises'
import { LRUCache } from 'lru-cache'

/** Resolves to mailauth's record shape; rejects with an error whose `code` is ENOTFOUND, ENODATA, ETIMEOUT … */
export type LookUp = (name: string, type: string) => Promise<string[][] | string[]>

export type DnsOptions = {
  readonly servers: readonly string[]
  readonly timeoutMs: number
  readonly cacheMs: number
  readonly cacheSize: number
}

type Answer = { readonly records: string[][] | string[] } | { readonly code: string }

/** The answers that say "there is none", as good as any other to remember. */
const NONE = new Set(['ENOTFOUND', 'ENODATA'])

/** Makes the look-up of a running daemon. */
export function createLookUp(options: DnsOptions): LookUp {
  const resolver = new Resolver({ timeout: options.timeoutMs, tries: 2 })
  if (options.servers.length > 0) resolver.setServers(options.servers)
  const cache = new LRUCache<string, Answer>({ max: options.cacheSize, ttl: options.cacheMs })
  return async (name, type) => {
    const key = `${type} ${name.toLowerCase()}`
    const known = cache.get(key)
    if (known !== undefined) return recordsOf(known)
    const answer = await ask(resolver, name, type)
    if ('records' in answer || NONE.has(answer.code)) cache.set(key, answer)
    return recordsOf(answer)
  }
}

function recordsOf(answer: Answer): string[][] | string[] {
  if ('records' in answer) return answer.records
  throw Object.assign(new Error(answer.code), { code: answer.code })
}

async function ask(resolver: Resolver, name: string, type: string): Promise<Answer> {
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

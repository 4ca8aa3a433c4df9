/**
 * response-cache - caches responses by account and request
 *
 * SendCloud caches the responses of emailStatus for 10 minutes, so its clients poll often. The mode `vendor` does the same. The mode `fresh`
 * reuses a response only until the next commit to the store, so that it is never outdated. The mode `off` does not cache. The cache is
 * limited in bytes, and responses are never shared between accounts.
 *
 * See also: settings/compatible, store/engine/commit-stamp.
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { SendCloudEnvelope } from './envelope.ts'

export const RESPONSE_CACHE_MODES = ['fresh', 'vendor', 'off'] as const
export type ResponseCacheMode = (typeof RESPONSE_CACHE_MODES)[number]

/** The account and everything else that the response depends on. */
type ResponseCacheKey = { readonly account: number; readonly parts: readonly unknown[] }

export type ResponseCache = {
  readonly getOrLoad: (key: ResponseCacheKey, load: () => Promise<SendCloudEnvelope>) => Promise<SendCloudEnvelope>
}

type ResponseCacheOptions = {
  readonly mode: ResponseCacheMode
  readonly now: () => number
  readonly readCommitStamp: () => Promise<string>
  /** Names the server that stamps and data are read from. */
  readonly readGeneration: () => number
}

/** SendCloud's cache time. */
const RESPONSE_TTL_MS = 10 * 60_000

/** Room for hundreds of the largest responses (100 messages of 500 bytes) or thousands of short ones. */
const MAX_CACHE_BYTES = 16 * 1024 * 1024

type CachedResponse = { readonly envelope: SendCloudEnvelope; readonly storedAt: number; readonly commitStamp: string }

/** Creates a cache. `readCommitStamp` returns a value that changes with every commit. */
export function createResponseCache({ mode, now, readCommitStamp, readGeneration }: ResponseCacheOptions): ResponseCache {
  if (mode === 'off') return { getOrLoad: (_, load) => load() }
  const cache = new LRUCache<string, CachedResponse>({
    maxSize: MAX_CACHE_BYTES,
    sizeCalculation: ({ envelope }) => JSON.stringify(envelope).length + 200,
  })
  // Read before the data, so that a commit in between makes the cached response stale.
  const readStamp = async (): Promise<string> => (mode === 'fresh' ? `${readGeneration()} ${await readCommitStamp()}` : '')
  return {
    getOrLoad: async ({ account, parts }, load) => {
      const key = `${account}:${createHash('sha256').update(JSON.stringify(parts)).digest('base64')}`
      const requestedAt = now()
      const generation = readGeneration()
      const commitStamp = await readStamp()
      const cached = cache.get(key)
      if (
        cached !== undefined &&
        cached.commitStamp === commitStamp &&
        requestedAt >= cached.storedAt &&
        requestedAt - cached.storedAt < RESPONSE_TTL_MS
      )
        return cached.envelope
      const envelope = await load()
      // A stamp of one server says nothing about the data of another.
      if (envelope.result && readGeneration() === generation) cache.set(key, { envelope, storedAt: requestedAt, commitStamp })
      return envelope
    },
  }
}

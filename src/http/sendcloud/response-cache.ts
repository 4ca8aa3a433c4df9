/**
 * response-cache - an answer that is given again to the same question of the same account
 *
 * The vendor keeps the answers of emailStatus for 10 minutes, so its clients ask often. `vendor` does just that; `fresh` gives an answer again
 * only while the store has not changed since, so that nobody is told what is no longer so; `off` asks the store each time. Bounded in
 * bytes; the answers of each account are its own.
 *
 * See also: settings/compatible, store/engine/commit-stamp.
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { SendCloudEnvelope } from './envelope.ts'

export const RESPONSE_CACHE_MODES = ['fresh', 'vendor', 'off'] as const
export type ResponseCacheMode = (typeof RESPONSE_CACHE_MODES)[number]

/** The question: whose, and all that its answer depends on. */
export type ResponseCacheKey = { readonly account: number; readonly parts: readonly unknown[] }

export type ResponseCache = {
  readonly getOrLoad: (question: ResponseCacheKey, load: () => Promise<SendCloudEnvelope>) => Promise<SendCloudEnvelope>
}

export type ResponseCacheOptions = {
  readonly mode: ResponseCacheMode
  readonly now: () => number
  readonly readCommitStamp: () => Promise<string>
}

/** The vendor's time. */
export const RESPONSE_TTL_MS = 10 * 60_000

/** Some hundreds of the largest answers (100 mails of 500 bytes), or thousands of short ones. */
const MAX_CACHE_BYTES = 16 * 1024 * 1024

type CachedResponse = { readonly envelope: SendCloudEnvelope; readonly storedAt: number; readonly commitStamp: string }

export function createResponseCache({ mode, now, readCommitStamp }: ResponseCacheOptions): ResponseCache {
  if (mode === 'off') return { getOrLoad: (_, load) => load() }
  const cache = new LRUCache<string, CachedResponse>({
    maxSize: MAX_CACHE_BYTES,
    sizeCalculation: ({ envelope }) => JSON.stringify(envelope).length + 200,
  })
  // Asked before the store is: what is committed meanwhile makes the answer old at once.
  const readStamp = mode === 'fresh' ? readCommitStamp : (): Promise<string> => Promise.resolve('')
  return {
    getOrLoad: async ({ account, parts }, load) => {
      const key = `${account}:${createHash('sha256').update(JSON.stringify(parts)).digest('base64')}`
      const requestedAt = now()
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
      if (envelope.result) cache.set(key, { envelope, storedAt: requestedAt, commitStamp })
      return envelope
    },
  }
}

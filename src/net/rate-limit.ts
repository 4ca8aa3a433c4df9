/**
 * rate-limit - a fixed-window rate limit for each key and minute
 *
 * Keeps the counts of the current minute only, and of a bounded number of keys. If there are more, the count of the key that was used least
 * recently is dropped and starts again at 0: somebody who invents keys can weaken the limit, but can never use up the limit of another key.
 * The caller passes the time.
 *
 * See also: net/sign-in-limit.
 */
import { LRUCache } from 'lru-cache'
import { upToEntries } from './cache-bound.ts'

export type FixedWindowLimit = {
  /** Counts one event and returns whether it is within the limit. */
  readonly consume: (key: string, now: number) => boolean
  /** Whether the limit is reached. Does not count. */
  readonly isExhausted: (key: string, now: number) => boolean
}

const MINUTE_MS = 60_000

/** Keys of one minute, about 10 MB. */
const MAX_KEYS = 100_000

/** Creates a limit of `perMinute` events for each key. */
export function createFixedWindowLimit(perMinute: number, maxKeys: number = MAX_KEYS): FixedWindowLimit {
  let minute = -1
  const counts = new LRUCache<string, number>(upToEntries(maxKeys))
  const countOf = (key: string, now: number): number => {
    const current = Math.floor(now / MINUTE_MS)
    if (current !== minute) {
      minute = current
      counts.clear()
    }
    return counts.get(key) ?? 0
  }
  return {
    consume: (key, now) => {
      const count = countOf(key, now) + 1
      counts.set(key, count)
      return count <= perMinute
    },
    isExhausted: (key, now) => countOf(key, now) >= perMinute,
  }
}

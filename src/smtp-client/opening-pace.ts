/**
 * opening-pace - when the next connection to a site may be opened, where the site limits new connections
 *
 * Connections of one key are spread evenly. The queue has no more attempts for a site at once than connections a minute, so nobody waits longer than about a minute.
 * The clock is an argument. See also: smtp-client/smtp-transport, queue/shaping/limits-in-force.
 */
import { LRUCache } from 'lru-cache'
import { upToEntries } from '../net/cache-bound.ts'

export type OpeningPace = {
  /** Takes the next moment for a key. Returns the milliseconds until it. */
  readonly reserve: (key: string, perMinute: number) => number
}

/** More egress IPs and limited sites than are busy at once. */
const MAX_KEYS = 10_000

/** Creates the pace. `now` is a clock for intervals. */
export function createOpeningPace(now: () => number): OpeningPace {
  const nextOpenings = new LRUCache<string, number>(upToEntries(MAX_KEYS))
  return {
    reserve: (key, perMinute) => {
      const at = now()
      const openAt = Math.max(at, nextOpenings.get(key) ?? at)
      nextOpenings.set(key, openAt + 60_000 / perMinute)
      return openAt - at
    },
  }
}

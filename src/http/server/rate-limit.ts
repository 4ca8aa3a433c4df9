/**
 * rate-limit - a fixed-window rate limit per key and minute
 *
 * Only the counts of the current minute are kept, which bounds the memory. The caller passes the time.
 */
export type FixedWindowLimit = {
  /** Counts one event and returns whether it is within the limit. */
  readonly consume: (key: string, now: number) => boolean
  /** Whether the limit is reached. Does not count. */
  readonly isExhausted: (key: string, now: number) => boolean
}

const MINUTE_MS = 60_000

/** Further keys in the same minute share one count, so that a flood of invented names does not use memory. */
const MAX_KEYS = 100_000

/** Creates a limit of `perMinute` events per key. */
export function createFixedWindowLimit(perMinute: number): FixedWindowLimit {
  let minute = -1
  const counts = new Map<string, number>()
  const slotOf = (key: string, now: number): string => {
    const current = Math.floor(now / MINUTE_MS)
    if (current !== minute) {
      minute = current
      counts.clear()
    }
    return counts.has(key) || counts.size < MAX_KEYS ? key : ''
  }
  return {
    consume: (key, now) => {
      const slotKey = slotOf(key, now)
      const count = (counts.get(slotKey) ?? 0) + 1
      counts.set(slotKey, count)
      return count <= perMinute
    },
    isExhausted: (key, now) => (counts.get(slotOf(key, now)) ?? 0) >= perMinute,
  }
}

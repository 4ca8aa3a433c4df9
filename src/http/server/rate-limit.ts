/**
 * rate-limit - how many times a minute a key may do something
 *
 * One fixed minute at a time, so that memory is bounded by the keys of one minute. The caller gives the time.
 */
export type FixedWindowLimit = {
  /** Counts one and says whether it is still within the limit. */
  readonly consume: (key: string, now: number) => boolean
  /** Whether the limit is already reached; counts nothing. */
  readonly isExhausted: (key: string, now: number) => boolean
}

const MINUTE_MS = 60_000

/** Keys beyond this in one minute share one count: a flood of made-up names costs no memory. */
const MAX_KEYS = 100_000

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

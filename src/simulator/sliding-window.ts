/**
 * sliding-window - counts events in the time before a moment
 *
 * A ring of buckets, exact to one bucket. Mutable. See also: simulator/provider-limits.
 */
export type SlidingWindow = {
  readonly add: (at: number, n?: number) => void
  readonly sum: (at: number) => number
  /** Multiplies all counts by this share. */
  readonly scale: (share: number) => void
}

/** An empty window of `buckets` × `bucketMs`. Times must not decrease by more than the window. */
export function createSlidingWindow(buckets: number, bucketMs: number): SlidingWindow {
  const counts = new Float64Array(buckets)
  let newest = Number.NEGATIVE_INFINITY
  let total = 0
  const advance = (at: number): void => {
    const bucket = Math.floor(at / bucketMs)
    if (bucket <= newest) return
    if (bucket - newest >= buckets) {
      counts.fill(0)
      total = 0
    } else {
      for (let expired = newest + 1; expired <= bucket; expired++) {
        total -= counts[expired % buckets] ?? 0
        counts[expired % buckets] = 0
      }
    }
    newest = bucket
  }
  return {
    add: (at, n = 1) => {
      advance(at)
      counts[newest % buckets] = (counts[newest % buckets] ?? 0) + n
      total += n
    },
    sum: (at) => {
      advance(at)
      return total
    },
    scale: (share) => {
      total = 0
      for (const [index, count] of counts.entries()) total += counts[index] = count * share
    },
  }
}

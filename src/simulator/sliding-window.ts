/**
 * sliding-window - how much happened in the time behind a moment
 *
 * A ring of buckets: exact to one bucket, and no older than the ring is long. Mutable, owned by one standing. See also: simulator/provider-model.
 */
export type Window = {
  readonly add: (at: number, n?: number) => void
  readonly sum: (at: number) => number
  /** Forgets all but this share. */
  readonly fade: (share: number) => void
}

/** An empty window of `buckets` times `bucketMs`. Moments must not run backwards by more than the window. */
export function createWindow(buckets: number, bucketMs: number): Window {
  const counts = new Float64Array(buckets)
  let newest = Number.NEGATIVE_INFINITY
  let total = 0
  const roll = (at: number): void => {
    const bucket = Math.floor(at / bucketMs)
    if (bucket <= newest) return
    if (bucket - newest >= buckets) {
      counts.fill(0)
      total = 0
    } else {
      for (let gone = newest + 1; gone <= bucket; gone++) {
        total -= counts[gone % buckets] ?? 0
        counts[gone % buckets] = 0
      }
    }
    newest = bucket
  }
  return {
    add: (at, n = 1) => {
      roll(at)
      counts[newest % buckets] = (counts[newest % buckets] ?? 0) + n
      total += n
    },
    sum: (at) => {
      roll(at)
      return total
    },
    fade: (share) => {
      total = 0
      for (const [place, count] of counts.entries()) total += counts[place] = count * share
    },
  }
}

/**
 * byte-budget - how many bytes of open bodies a door holds, and who must go when it is too much
 *
 * All bodies that are still being received at one door, mails or HTTP requests, share one budget. Above half of it no new one begins (452 4.3.1,
 * 503), above all of it the largest body that has stood still ends (421, 503). So memory is bounded whatever the number of peers. And so that
 * slow peers cannot hold it between the two for long, which would put off everybody else, `relieve` ends the largest of the older ones until
 * there is room again. A body that came whole still counts until it is answered, and is no longer ended.
 *
 * No I/O: the caller says when. DESIGN, Edges. See also: smtp-server/listener, http/server/body-limits.
 */

/** One body. `end` is called when it must go. */
export type OpenBody = { bytes: number; lastByteAt: number; readonly openedAt: number; readonly abort: () => void }

export type ByteBudget = {
  /** Whether a new body may begin. */
  readonly isBelowSoftLimit: () => boolean
  readonly open: (abort: () => void, now: number) => OpenBody
  /** Counts bytes that were kept; ends the largest stalled body when the budget is spent. */
  readonly addBytes: (body: OpenBody, bytes: number, now: number) => void
  /** The body is whole: it counts, and is safe. */
  readonly markComplete: (body: OpenBody) => void
  readonly release: (body: OpenBody) => void
  /** Makes room for new mails at the cost of bodies that have been coming for long. */
  readonly evictLongRunning: (now: number) => void
  readonly usedBytes: () => number
}

/** What a chunk costs beside its bytes: a peer that sends single bytes would hold hundreds of times what it sent. */
export const CHUNK_OVERHEAD_BYTES = 512

/** A body without a byte for this long counts as stalled; a healthy peer sends many a second. */
const STALLED_AFTER_MS = 1_000

/** While there is no room, a body may take this long: a report of 100 KB takes a healthy peer a second. */
const MAX_AGE_ABOVE_SOFT_LIMIT_MS = 5_000

/** Makes a budget of `limit` bytes. */
export function createByteBudget(limitBytes: number): ByteBudget {
  const bodies = new Set<OpenBody>()
  let usedBytes = 0
  const completed = new Set<OpenBody>()
  const release = (body: OpenBody): void => {
    if (bodies.delete(body) || completed.delete(body)) usedBytes -= body.bytes
  }
  const isBelowSoftLimit = (): boolean => usedBytes <= limitBytes / 2
  return {
    isBelowSoftLimit,
    open: (abort, now) => {
      const body: OpenBody = { bytes: 0, lastByteAt: now, openedAt: now, abort }
      bodies.add(body)
      return body
    },
    addBytes: (body, bytes, now) => {
      if (!bodies.has(body)) return
      body.bytes += bytes
      body.lastByteAt = now
      usedBytes += bytes
      while (usedBytes > limitBytes && bodies.size > 0) {
        const all = [...bodies]
        const stalled = all.filter((each) => now - each.lastByteAt >= STALLED_AFTER_MS)
        const victim = largestBody(stalled.length > 0 ? stalled : all)
        release(victim)
        victim.abort()
      }
    },
    markComplete: (body) => {
      if (bodies.delete(body)) completed.add(body)
    },
    release,
    evictLongRunning: (now) => {
      const longRunning = isBelowSoftLimit() ? [] : [...bodies].filter((body) => now - body.openedAt >= MAX_AGE_ABOVE_SOFT_LIMIT_MS)
      for (const victim of longRunning.toSorted((a, b) => b.bytes - a.bytes)) {
        if (isBelowSoftLimit()) return
        release(victim)
        victim.abort()
      }
    },
    usedBytes: () => usedBytes,
  }
}

function largestBody(bodies: readonly OpenBody[]): OpenBody {
  return bodies.reduce((a, b) => (b.bytes > a.bytes ? b : a))
}

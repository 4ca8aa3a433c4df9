/**
 * byte-budget - bounds the memory of the bodies that a listener is receiving, and chooses which to abort
 *
 * All bodies that one listener is receiving, mails or HTTP requests, share one budget. Above half of it no new body may begin (452 4.3.1, 503); above all of it the
 * largest stalled body is aborted (421, 503). Memory is therefore bounded for any number of peers. So that slow peers cannot keep the usage between the two
 * limits, `evictLongRunning` aborts the largest of the older bodies until new ones may begin again. A complete body counts until it has been answered, and is not
 * aborted.
 *
 * No I/O; the caller supplies the time. See also: smtp-server/listener, http/server/body-limits.
 */

/** A body that is being received. `abort` is called at most once, when it has to end. */
export type OpenBody = { bytes: number; lastByteAt: number; readonly openedAt: number; readonly abort: () => void }

export type ByteBudget = {
  /** Whether a new body may begin. */
  readonly isBelowSoftLimit: () => boolean
  readonly open: (abort: () => void, now: number) => OpenBody
  /** Counts bytes that were kept; aborts the largest stalled body when the budget is spent. */
  readonly addBytes: (body: OpenBody, bytes: number, now: number) => void
  /** The body is complete: it still counts, but is not aborted any more. */
  readonly markComplete: (body: OpenBody) => void
  readonly release: (body: OpenBody) => void
  /** Aborts bodies that have been arriving for long, so that new ones may begin. */
  readonly evictLongRunning: (now: number) => void
  readonly usedBytes: () => number
}

/** The cost of a chunk in addition to its bytes: a peer that sends single bytes would otherwise hold hundreds of times what it sent. */
export const CHUNK_OVERHEAD_BYTES = 512

/** A body without a byte for this long counts as stalled; a healthy peer sends many a second. */
const STALLED_AFTER_MS = 1_000

/** Above the soft limit a body may take this long: a healthy peer sends a report of 100 KB within a second. */
const MAX_AGE_ABOVE_SOFT_LIMIT_MS = 5_000

/** Creates a budget. */
export function createByteBudget(limitBytes: number): ByteBudget {
  const receiving = new Set<OpenBody>()
  const complete = new Set<OpenBody>()
  let usedBytes = 0
  const release = (body: OpenBody): void => {
    if (receiving.delete(body) || complete.delete(body)) usedBytes -= body.bytes
  }
  const abort = (body: OpenBody): void => {
    release(body)
    body.abort()
  }
  const isBelowSoftLimit = (): boolean => usedBytes <= limitBytes / 2
  return {
    isBelowSoftLimit,
    open: (onAbort, now) => {
      const body: OpenBody = { bytes: 0, lastByteAt: now, openedAt: now, abort: onAbort }
      receiving.add(body)
      return body
    },
    addBytes: (body, bytes, now) => {
      if (!receiving.has(body)) return
      body.bytes += bytes
      body.lastByteAt = now
      usedBytes += bytes
      while (usedBytes > limitBytes && receiving.size > 0) abort(largestStalled(receiving, now))
    },
    markComplete: (body) => {
      if (receiving.delete(body)) complete.add(body)
    },
    release,
    evictLongRunning: (now) => {
      const longRunning = [...receiving].filter(({ openedAt }) => now - openedAt >= MAX_AGE_ABOVE_SOFT_LIMIT_MS)
      for (const body of longRunning.toSorted((a, b) => b.bytes - a.bytes)) if (!isBelowSoftLimit()) abort(body)
    },
    usedBytes: () => usedBytes,
  }
}

/** The largest stalled body; if none has stalled, the largest of all. */
function largestStalled(bodies: ReadonlySet<OpenBody>, now: number): OpenBody {
  const all = [...bodies]
  const stalled = all.filter(({ lastByteAt }) => now - lastByteAt >= STALLED_AFTER_MS)
  return (stalled.length > 0 ? stalled : all).reduce((a, b) => (b.bytes > a.bytes ? b : a))
}

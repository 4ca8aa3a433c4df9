/**
 * budget - how many bytes of open mail bodies the node holds, and who must go when it is too much
 *
 * All bodies that are still being received share one budget. Above half of it no new mail begins (452 4.3.1), above
 * all of it the largest body that has stood still gets 421. So memory is bounded whatever the number of peers.
 *
 * No I/O: the caller says when. DESIGN, Edges. See also: intake/smtp.
 */

/** One body being received. `end` is called when it must go, with the words for its 421. */
export type OpenBody = { bytes: number; lastByteAt: number; readonly end: () => void }

export type Budget = {
  /** Whether a new mail may begin. */
  readonly hasRoom: () => boolean
  readonly open: (end: () => void, now: number) => OpenBody
  /** Counts bytes that were kept; ends the largest stalled body when the budget is spent. */
  readonly grow: (body: OpenBody, bytes: number, now: number) => void
  readonly close: (body: OpenBody) => void
  readonly used: () => number
}

/** A body without a byte for this long counts as stalled; a healthy peer sends many a second. */
const STALLED_AFTER = 1_000

/** Makes a budget of `limit` bytes. */
export function createBudget(limit: number): Budget {
  const bodies = new Set<OpenBody>()
  let used = 0
  const close = (body: OpenBody): void => {
    if (bodies.delete(body)) used -= body.bytes
  }
  return {
    hasRoom: () => used <= limit / 2,
    open: (end, now) => {
      const body: OpenBody = { bytes: 0, lastByteAt: now, end }
      bodies.add(body)
      return body
    },
    grow: (body, bytes, now) => {
      if (!bodies.has(body)) return
      body.bytes += bytes
      body.lastByteAt = now
      used += bytes
      while (used > limit && bodies.size > 0) {
        const victim = heaviest(bodies, now)
        close(victim)
        victim.end()
      }
    },
    close,
    used: () => used,
  }
}

/** The largest stalled body; where none has stalled, the largest of all. */
function heaviest(bodies: ReadonlySet<OpenBody>, now: number): OpenBody {
  const all = [...bodies]
  const stalled = all.filter((body) => now - body.lastByteAt >= STALLED_AFTER)
  return (stalled.length > 0 ? stalled : all).reduce((a, b) => (b.bytes > a.bytes ? b : a))
}

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
export type OpenBody = { bytes: number; lastByteAt: number; readonly openedAt: number; readonly end: () => void }

export type Budget = {
  /** Whether a new body may begin. */
  readonly hasRoom: () => boolean
  readonly open: (end: () => void, now: number) => OpenBody
  /** Counts bytes that were kept; ends the largest stalled body when the budget is spent. */
  readonly grow: (body: OpenBody, bytes: number, now: number) => void
  /** The body is whole: it counts, and is safe. */
  readonly settle: (body: OpenBody) => void
  readonly close: (body: OpenBody) => void
  /** Makes room for new mails at the cost of bodies that have been coming for long. */
  readonly relieve: (now: number) => void
  readonly used: () => number
}

/** What a chunk costs beside its bytes: a peer that sends single bytes would hold hundreds of times what it sent. */
export const CHUNK_COST = 512

/** A body without a byte for this long counts as stalled; a healthy peer sends many a second. */
const STALLED_AFTER = 1_000

/** While there is no room, a body may take this long: a report of 100 KB takes a healthy peer a second. */
const OLD_WHILE_SHORT = 5_000

/** Makes a budget of `limit` bytes. */
export function createBudget(limit: number): Budget {
  const bodies = new Set<OpenBody>()
  let used = 0
  const settled = new Set<OpenBody>()
  const close = (body: OpenBody): void => {
    if (bodies.delete(body) || settled.delete(body)) used -= body.bytes
  }
  const hasRoom = (): boolean => used <= limit / 2
  return {
    hasRoom,
    open: (end, now) => {
      const body: OpenBody = { bytes: 0, lastByteAt: now, openedAt: now, end }
      bodies.add(body)
      return body
    },
    grow: (body, bytes, now) => {
      if (!bodies.has(body)) return
      body.bytes += bytes
      body.lastByteAt = now
      used += bytes
      while (used > limit && bodies.size > 0) {
        const all = [...bodies]
        const stalled = all.filter((each) => now - each.lastByteAt >= STALLED_AFTER)
        const victim = heaviest(stalled.length > 0 ? stalled : all)
        close(victim)
        victim.end()
      }
    },
    settle: (body) => {
      if (bodies.delete(body)) settled.add(body)
    },
    close,
    relieve: (now) => {
      const old = hasRoom() ? [] : [...bodies].filter((body) => now - body.openedAt >= OLD_WHILE_SHORT)
      for (const victim of old.toSorted((a, b) => b.bytes - a.bytes)) {
        if (hasRoom()) return
        close(victim)
        victim.end()
      }
    },
    used: () => used,
  }
}

function heaviest(bodies: readonly OpenBody[]): OpenBody {
  return bodies.reduce((a, b) => (b.bytes > a.bytes ? b : a))
}

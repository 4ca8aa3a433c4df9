/**
 * event-feed - follows an account's facts as they are committed, on whichever node they come
 *
 * Facts are read in the order of their ids; but an id is made before its transaction ends, so that one may appear below those that were
 * seen. So there is a watermark, `stable`, half a minute behind: all below it was given. Above it every id that was given is remembered,
 * and it is looked at again and again for what has appeared since. Nothing is ever passed over because something later was there first.
 *
 * A follower that comes back names the last id that it saw, and begins half a minute before: it may see facts twice, by the same ids, and
 * misses none. One that falls behind reads on at its own pace: nothing piles up here.
 *
 * See also: store/facts/fact-feed, http/api/events.
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { findFactsById, listFactIdsAfter } from '../../store/facts/fact-feed.ts'

/** Longer than any transaction lasts (a batch of 200 mails is milliseconds, a store that stalls is given up before) and clocks differ. */
export const REORDER_WINDOW_MS = 30_000

/** Every so many looks the whole window is looked at again; between them only what lies above the last. */
const FULL_SCAN_EVERY = 4

/** Where to begin: with what comes from now on, behind an id, or at a moment. */
export type FeedStart = { readonly after: string } | { readonly since: number } | 'now'

export type FeedFollower = {
  /** At most `limit` facts that were not given yet; none: ask again later. Faults: store_busy. */
  readonly next: (limit: number) => Promise<readonly Fact[]>
}

type FeedPosition = { watermark: string; lastSeenId: string; readonly seenIds: Set<string>; polls: number }

/** The lowest UUIDv7 of a moment. RFC 9562 §5.7. */
export function lowestIdAt(at: number): string {
  const digits = Math.max(0, Math.floor(at)).toString(16).padStart(12, '0')
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-0000-0000-000000000000`
}

/** When an id was made. Total: 0 for what is none. */
export function timeOfId(id: string): number {
  const at = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
  return Number.isNaN(at) ? 0 : at
}

const laterId = (a: string, b: string): string => (a > b ? a : b)
const earlierId = (a: string, b: string): string => (a < b ? a : b)

/** Follows one account (0: the operator's own facts) from a place on. */
export async function followFacts(
  { reader, now }: { readonly reader: DatabaseReader; readonly now: () => number },
  account: number,
  start: FeedStart,
): Promise<FeedFollower> {
  const position = initialPosition(start, now())
  // What is there already is not news.
  if (start === 'now')
    for (const id of await listFactIdsAfter(reader, account, position.watermark, MAX_WINDOW_FACTS)) markSeen(position, id)
  return {
    next: async (limit) => {
      const isFullScan = position.polls % FULL_SCAN_EVERY === 0
      const asked = limit + (isFullScan ? position.seenIds.size : 0)
      const ids = await listFactIdsAfter(reader, account, isFullScan ? position.watermark : position.lastSeenId, asked)
      const fresh = ids.filter((id) => !position.seenIds.has(id)).slice(0, limit)
      const facts = await findFactsById(reader, account, fresh)
      for (const id of fresh) markSeen(position, id)
      // Where there is more, the next look goes on from here, and looks wide until it is through.
      if (fresh.length < limit) position.polls += 1
      if (isFullScan) advanceWatermark(position, { isWhole: ids.length < asked, through: fresh.at(-1) ?? position.watermark, now: now() })
      return facts
    },
  }
}

/** More facts in one window of one account than that are no news to anybody. */
const MAX_WINDOW_FACTS = 1_000_000

function initialPosition(start: FeedStart, now: number): FeedPosition {
  const at = start === 'now' ? now : 'since' in start ? start.since : timeOfId(start.after)
  // A moment that is named is meant; an id and a present may have neighbours that are still to appear.
  const watermark = lowestIdAt(start !== 'now' && 'since' in start ? at : Math.min(at, now) - REORDER_WINDOW_MS)
  const seenIds = new Set(start !== 'now' && 'after' in start ? [start.after] : [])
  return { watermark, lastSeenId: watermark, seenIds, polls: 0 }
}

function markSeen(position: FeedPosition, id: string): void {
  position.seenIds.add(id)
  position.lastSeenId = laterId(position.lastSeenId, id)
}

/** The watermark rises to what nothing can appear below any more, and no further than was looked. */
function advanceWatermark(
  position: FeedPosition,
  { isWhole: isExhaustive, through, now }: { readonly isWhole: boolean; readonly through: string; readonly now: number },
): void {
  const safe = lowestIdAt(now - REORDER_WINDOW_MS)
  position.watermark = laterId(position.watermark, isExhaustive ? safe : earlierId(safe, through))
  for (const id of position.seenIds) if (id <= position.watermark) position.seenIds.delete(id)
}

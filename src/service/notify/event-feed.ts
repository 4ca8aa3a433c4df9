/**
 * event-feed - follows the facts of an account as they are committed, on any node
 *
 * Reads facts in the order of their ids. An id is created before its transaction commits, so a fact may appear below ids that were read
 * already. A watermark therefore trails half a minute behind: every fact below it was returned. Ids above it are remembered, and that window
 * is read again and again for facts that have appeared since. No fact is skipped because a later one committed first.
 *
 * A follower that reconnects names the last id that it saw and starts half a minute before it: it may get facts twice, with the same ids, but
 * misses none. A slow follower reads at its own pace; nothing is buffered for it.
 *
 * See also: store/facts/fact-feed, http/api/events.
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { findFactsById, listFactIdsAfter } from '../../store/facts/fact-feed.ts'
import { lowestIdAt, timeOfId } from '../fact-id-time.ts'

/** Longer than any transaction may take, plus the difference between the clocks of two nodes. */
const REORDER_WINDOW_MS = 30_000

/** Every fourth poll reads the whole window again; the others read only what lies above the last id. */
const FULL_SCAN_EVERY = 4

/** Where to start: now, after an id, or at a moment (epoch ms). */
export type FeedStart = { readonly after: string } | { readonly since: number } | 'now'

export type FeedFollower = {
  /** Returns at most `limit` facts that it has not returned before. If there are none, poll again later. Faults: store_busy. */
  readonly next: (limit: number) => Promise<readonly Fact[]>
}

type FeedPosition = { watermark: string; lastSeenId: string; readonly seenIds: Set<string>; polls: number }

const laterId = (a: string, b: string): string => (a > b ? a : b)
const earlierId = (a: string, b: string): string => (a < b ? a : b)

/** Follows the facts of one account; account 0 holds the facts of the operator. Faults: store_busy. */
export async function followFacts(
  { reader, now }: { readonly reader: DatabaseReader; readonly now: () => number },
  account: number,
  start: FeedStart,
): Promise<FeedFollower> {
  const position = initialPosition(start, now())
  // Facts that exist already are not new.
  if (start === 'now')
    for (const id of await listFactIdsAfter(reader, account, position.watermark, MAX_WINDOW_FACTS)) markSeen(position, id)
  return {
    next: async (limit) => {
      const isFullScan = position.polls % FULL_SCAN_EVERY === 0
      const requested = limit + (isFullScan ? position.seenIds.size : 0)
      const ids = await listFactIdsAfter(reader, account, isFullScan ? position.watermark : position.lastSeenId, requested)
      const fresh = ids.filter((id) => !position.seenIds.has(id)).slice(0, limit)
      const facts = await findFactsById(reader, account, fresh)
      for (const id of fresh) markSeen(position, id)
      // If there may be more, the next call continues here, and keeps reading the whole window until its end.
      if (fresh.length < limit) position.polls += 1
      if (isFullScan)
        advanceWatermark(position, { isExhaustive: ids.length < requested, through: fresh.at(-1) ?? position.watermark, now: now() })
      return facts
    },
  }
}

/** Bounds the memory of one follower. No account creates this many facts within one window. */
const MAX_WINDOW_FACTS = 1_000_000

function initialPosition(start: FeedStart, now: number): FeedPosition {
  const at = start === 'now' ? now : 'since' in start ? start.since : timeOfId(start.after)
  // A given moment is exact. Around an id, or around the present, facts may still appear.
  const watermark = lowestIdAt(start !== 'now' && 'since' in start ? at : Math.min(at, now) - REORDER_WINDOW_MS)
  const seenIds = new Set(start !== 'now' && 'after' in start ? [start.after] : [])
  return { watermark, lastSeenId: watermark, seenIds, polls: 0 }
}

function markSeen(position: FeedPosition, id: string): void {
  position.seenIds.add(id)
  position.lastSeenId = laterId(position.lastSeenId, id)
}

/** Raises the watermark to the point below which no fact can appear any more, but not beyond what was read. */
function advanceWatermark(
  position: FeedPosition,
  { isExhaustive, through, now }: { readonly isExhaustive: boolean; readonly through: string; readonly now: number },
): void {
  const safe = lowestIdAt(now - REORDER_WINDOW_MS)
  position.watermark = laterId(position.watermark, isExhaustive ? safe : earlierId(safe, through))
  for (const id of position.seenIds) if (id <= position.watermark) position.seenIds.delete(id)
}

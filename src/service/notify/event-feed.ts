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
import type { Reader } from '../../store/engine/engine.ts'
import { factsById, idsAbove } from '../../store/facts/fact-feed.ts'

/** Longer than any transaction lasts (a batch of 200 mails is milliseconds, a store that stalls is given up before) and clocks differ. */
export const WINDOW_MS = 30_000

/** Every so many looks the whole window is looked at again; between them only what lies above the last. */
const LOOK_BACK_EVERY = 4

/** Where to begin: with what comes from now on, behind an id, or at a moment. */
export type FeedStart = { readonly after: string } | { readonly since: number } | 'now'

export type Follower = {
  /** At most `limit` facts that were not given yet; none: ask again later. Faults: store_busy. */
  readonly next: (limit: number) => Promise<readonly Fact[]>
}

type Place = { stable: string; last: string; readonly given: Set<string>; looks: number }

/** The lowest UUIDv7 of a moment. RFC 9562 §5.7. */
export function floorOf(at: number): string {
  const digits = Math.max(0, Math.floor(at)).toString(16).padStart(12, '0')
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-0000-0000-000000000000`
}

/** When an id was made. Total: 0 for what is none. */
export function timeOfId(id: string): number {
  const at = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
  return Number.isNaN(at) ? 0 : at
}

const higher = (a: string, b: string): string => (a > b ? a : b)
const lower = (a: string, b: string): string => (a < b ? a : b)

/** Follows one account (0: the operator's own facts) from a place on. */
export async function follow(
  { reader, now }: { readonly reader: Reader; readonly now: () => number },
  account: number,
  start: FeedStart,
): Promise<Follower> {
  const place = placeOf(start, now())
  // What is there already is not news.
  if (start === 'now') for (const id of await idsAbove(reader, account, place.stable, MOST)) give(place, id)
  return {
    next: async (limit) => {
      const isWide = place.looks % LOOK_BACK_EVERY === 0
      const asked = limit + (isWide ? place.given.size : 0)
      const ids = await idsAbove(reader, account, isWide ? place.stable : place.last, asked)
      const fresh = ids.filter((id) => !place.given.has(id)).slice(0, limit)
      const facts = await factsById(reader, account, fresh)
      for (const id of fresh) give(place, id)
      // Where there is more, the next look goes on from here, and looks wide until it is through.
      if (fresh.length < limit) place.looks += 1
      if (isWide) settle(place, { isWhole: ids.length < asked, through: fresh.at(-1) ?? place.stable, now: now() })
      return facts
    },
  }
}

/** More facts in one window of one account than that are no news to anybody. */
const MOST = 1_000_000

function placeOf(start: FeedStart, now: number): Place {
  const at = start === 'now' ? now : 'since' in start ? start.since : timeOfId(start.after)
  // A moment that is named is meant; an id and a present may have neighbours that are still to appear.
  const stable = floorOf(start !== 'now' && 'since' in start ? at : Math.min(at, now) - WINDOW_MS)
  const given = new Set(start !== 'now' && 'after' in start ? [start.after] : [])
  return { stable, last: stable, given, looks: 0 }
}

function give(place: Place, id: string): void {
  place.given.add(id)
  place.last = higher(place.last, id)
}

/** The watermark rises to what nothing can appear below any more, and no further than was looked. */
function settle(
  place: Place,
  { isWhole, through, now }: { readonly isWhole: boolean; readonly through: string; readonly now: number },
): void {
  const safe = floorOf(now - WINDOW_MS)
  place.stable = higher(place.stable, isWhole ? safe : lower(safe, through))
  for (const id of place.given) if (id <= place.stable) place.given.delete(id)
}

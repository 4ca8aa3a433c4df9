/**
 * click-bursts - remembers the clicks of the last seconds, to recognise a program that follows all links of a mail
 *
 * The memory belongs to one node. A program whose requests reach several nodes is recognised where one of them sees enough links.
 *
 * See also: tracking/machine-reading (what is a burst), service/track/commit-engagement.
 */
import { LRUCache } from 'lru-cache'
import { upToEntries } from '../../net/cache-bound.ts'
import { BURST_MS, burstOf, type TimedClick } from '../../tracking/machine-reading.ts'

/** A click whose fact is committed. */
type RecordedClick = TimedClick & { readonly factId: string }

export type ClickBursts = {
  /** Which of these clicks on one mail are part of a burst, and the facts of earlier ones that are. */
  readonly find: <Click extends TimedClick>(deliveryId: string, clicks: readonly Click[]) => Burst<Click>
  /** Remembers a committed click that counts as a person's. */
  readonly remember: (deliveryId: string, click: RecordedClick) => void
}

type Burst<Click> = { readonly clicks: ReadonlySet<Click>; readonly earlierFacts: readonly string[] }

/** Mails whose clicks are remembered: several seconds of the most that a node records. */
const MAX_MAILS = 50_000
/** More clicks of one mail than make a burst. */
const MAX_CLICKS = 8

/** Creates an empty memory. */
export function createClickBursts(): ClickBursts {
  const recent = new LRUCache<string, readonly RecordedClick[]>(upToEntries(MAX_MAILS))
  return {
    find: (deliveryId, clicks) => {
      const earlier = recent.get(deliveryId) ?? []
      const found = burstOf<TimedClick>([...earlier, ...clicks])
      return {
        clicks: new Set(clicks.filter((click) => found.has(click))),
        earlierFacts: earlier.filter((click) => found.has(click)).map(({ factId }) => factId),
      }
    },
    remember: (deliveryId, click) => {
      const earlier = (recent.get(deliveryId) ?? []).filter(({ at }) => at >= click.at - BURST_MS)
      recent.set(deliveryId, [...earlier, click].slice(-MAX_CLICKS))
    },
  }
}

/**
 * webhook-replay - what an endpoint is to hear once more, and what rests until it is well: a page at a time
 *
 * An endpoint that was away for a day has a million of them. They are found beside the writer and let wait a page a transaction, so that
 * intake never stands behind them; one call lets a bounded number wait, and says where the next one goes on.
 *
 * See also: service/notify/webhooks, service/notify/notifier (who ask), store/webhook/outbox (what has failed), store/webhook/attempts (what was heard).
 */
import { EVENTS, type EventName } from '../../webhook/payload.ts'
import { Fault } from '../../errors.ts'
import { failedOutbox, hastenOutbox, replayOutbox, type EndpointRef } from '../../store/webhook/outbox.ts'
import { pageRecords, recordsByKeyForOperator, resendRecords } from '../../store/webhook/attempts.ts'
import type { Shop } from '../context.ts'

/** Both ends of the time in which the events were made are counted; `events` null: all. `after`: `next` of the call before. */
export type ReplayWish = {
  readonly from?: number
  readonly until?: number
  readonly events: readonly EventName[] | null
  readonly onlyFailed: boolean
  readonly after?: string | null
}

/** How many wait again, and where the next call goes on; null: that was all. */
export type Replayed = { readonly count: number; readonly next: string | null }

/** Rows that one transaction changes: some twenty milliseconds. */
const PAGE = 1_000
/** Pages of one call: it answers within a second or two. */
const PAGES = 10

/** First what has failed, the oldest first, then what was heard, the newest first. `start`: when the first call came. */
type Place = { readonly start: number; readonly part: 'failed' | 'heard'; readonly after: string | null }

type Asked = Omit<ReplayWish, 'after'> & { readonly of: EndpointRef; readonly place: Place; readonly dueAt: number }

/** `last` null: there are no more of this part. */
type Page = { readonly count: number; readonly last: string | null }

/** Lets events of one endpoint wait again, at most ten thousand. Faults: bad_request (`after` is no `next` of ours), store_busy. */
export async function replayEvents(shop: Shop, of: EndpointRef, { after = null, ...wish }: ReplayWish): Promise<Replayed> {
  const dueAt = shop.now()
  let place = placeOf(after, dueAt)
  let count = 0
  for (let n = 0; n < PAGES; n++) {
    const page = await PARTS[place.part](shop, { ...wish, of, place, dueAt })
    count += page.count
    if (page.last !== null) place = { ...place, after: page.last }
    else if (place.part === 'failed' && !wish.onlyFailed) place = { ...place, part: 'heard', after: null }
    else return { count, next: null }
  }
  return { count, next: placeText(place) }
}

/** Lets what rests between two attempts be due now, and what has failed too where it is to be replayed, until told to stop. */
export async function welcomeBack(
  shop: Shop,
  of: EndpointRef,
  { replays, mustStop }: { readonly replays: boolean; readonly mustStop: () => boolean },
): Promise<void> {
  const dueAt = shop.now()
  for (let n = PAGE; n === PAGE && !mustStop();)
    n = await shop.engine.tx((db) => hastenOutbox(db, of, { dueAt, limit: PAGE }), { sees: 'latest' })
  if (!replays) return
  for (let next: string | null = placeText({ start: dueAt, part: 'failed', after: null }); next !== null && !mustStop();)
    next = (await replayEvents(shop, of, { events: null, onlyFailed: true, after: next })).next
}

const PARTS = { failed: replayFailed, heard: replayHeard } as const satisfies Record<Place['part'], unknown>

async function replayFailed({ engine }: Shop, { of, place, dueAt, from, until, events }: Asked): Promise<Page> {
  const kinds = events === null ? null : [...new Set(events.flatMap((name) => EVENTS[name].kinds))]
  const filters = { from, until, events: events === null || kinds === null ? undefined : { names: events, kinds } }
  const ids = await failedOutbox(engine.bulk, of, filters, { after: place.after, limit: PAGE })
  if (ids.length === 0) return { count: 0, last: null }
  const count = await engine.tx((db) => replayOutbox(db, of, { eventIds: ids, dueAt }), { sees: 'latest' })
  return { count, last: ids.length < PAGE ? null : (ids.at(-1) ?? null) }
}

/** What was sent since the first call is not asked for again: the notifier hears of it while the pages go on. */
async function replayHeard({ engine }: Shop, { of, place, dueAt, from, until, events }: Asked): Promise<Page> {
  const filters = {
    state: 'heard',
    triedUntil: place.start,
    ...(events === null ? {} : { events }),
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until: until + 1 }),
  } as const
  const found = await pageRecords(engine.bulk, of, filters, { limit: PAGE, after: place.after })
  if (found.length === 0) return { count: 0, last: null }
  const count = await engine.tx(async (db) => {
    const now = await recordsByKeyForOperator(db, found)
    return resendRecords(
      db,
      now.filter(({ state }) => state === 'heard'),
      dueAt,
    )
  })
  return { count, last: found.length < PAGE ? null : (found.at(-1)?.eventId ?? null) }
}

const PLACE = /^(?<start>\d{1,15})\.(?<part>failed|heard)\.(?<after>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})?$/

const placeText = ({ start, part, after }: Place): string => `${start}.${part}.${after ?? ''}`

function placeOf(text: string | null, now: number): Place {
  if (text === null) return { start: now, part: 'failed', after: null }
  const { start, part, after } = PLACE.exec(text)?.groups ?? {}
  if (start === undefined) throw new Fault('bad_request', '`after` is the `next` of the answer before')
  return { start: Number(start), part: part === 'heard' ? 'heard' : 'failed', after: after ?? null }
}

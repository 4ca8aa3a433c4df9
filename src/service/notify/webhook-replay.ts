/**
 * webhook-replay - what an endpoint is to hear once more, and what rests until it is well: a page at a time
 *
 * An endpoint that was away for a day has a million of them. They are found beside the writer and let wait a page a transaction, so that
 * intake never stands behind them; one call lets a bounded number wait, and says where the next one goes on.
 *
 * See also: service/notify/webhooks, service/notify/notifier (who ask), store/webhook/outbox (what has failed), store/webhook/attempts (what was heard).
 */
import { WEBHOOK_EVENTS, type WebhookEventName } from '../../webhook/payload.ts'
import { Fault } from '../../errors.ts'
import { listFailedOutboxIds, advanceOutboxDueTime, requeueFailedOutbox, type EndpointRef } from '../../store/webhook/outbox.ts'
import { listWebhookRecords, findWebhookRecordsForOperator, requeueWebhookRecords } from '../../store/webhook/attempts.ts'
import type { Context } from '../context.ts'

/** Both ends of the time in which the events were made are counted; `events` null: all. `after`: `next` of the call before. */
export type ReplayRequest = {
  readonly from?: number
  readonly until?: number
  readonly events: readonly WebhookEventName[] | null
  readonly onlyFailed: boolean
  readonly after?: string | null
}

/** How many wait again, and where the next call goes on; null: that was all. */
export type ReplayResult = { readonly count: number; readonly next: string | null }

/** Rows that one transaction changes: some twenty milliseconds. */
const PAGE_SIZE = 1_000
/** Pages of one call: it answers within a second or two. */
const MAX_PAGES_PER_CALL = 10

/** First what has failed, the oldest first, then what was heard, the newest first. `start`: when the first call came. */
type ReplayCursor = { readonly startedAt: number; readonly part: 'failed' | 'heard'; readonly after: string | null }

type ReplayPageRequest = Omit<ReplayRequest, 'after'> & {
  readonly endpoint: EndpointRef
  readonly cursor: ReplayCursor
  readonly dueAt: number
}

/** `last` null: there are no more of this part. */
type ReplayPage = { readonly count: number; readonly last: string | null }

/** Lets events of one endpoint wait again, at most ten thousand. Faults: bad_request (`after` is no `next` of ours), store_busy. */
export async function replayEvents(
  context: Context,
  endpoint: EndpointRef,
  { after = null, ...request }: ReplayRequest,
): Promise<ReplayResult> {
  const dueAt = context.now()
  let cursor = parseCursor(after, dueAt)
  let count = 0
  for (let n = 0; n < MAX_PAGES_PER_CALL; n++) {
    const page = await REPLAY_PARTS[cursor.part](context, { ...request, endpoint, cursor, dueAt })
    count += page.count
    if (page.last !== null) cursor = { ...cursor, after: page.last }
    else if (cursor.part === 'failed' && !request.onlyFailed) cursor = { ...cursor, part: 'heard', after: null }
    else return { count, next: null }
  }
  return { count, next: formatCursor(cursor) }
}

/** Lets what rests between two attempts be due now, and what has failed too where it is to be replayed, until told to stop. */
export async function resumeAfterRecovery(
  context: Context,
  endpoint: EndpointRef,
  { replays: shouldReplay, mustStop: shouldStop }: { readonly replays: boolean; readonly mustStop: () => boolean },
): Promise<void> {
  const dueAt = context.now()
  for (let n = PAGE_SIZE; n === PAGE_SIZE && !shouldStop();)
    n = await context.engine.tx((db) => advanceOutboxDueTime(db, endpoint, { dueAt, limit: PAGE_SIZE }), { visibility: 'latest' })
  if (!shouldReplay) return
  for (let next: string | null = formatCursor({ startedAt: dueAt, part: 'failed', after: null }); next !== null && !shouldStop();)
    next = (await replayEvents(context, endpoint, { events: null, onlyFailed: true, after: next })).next
}

const REPLAY_PARTS = { failed: replayFailed, heard: replayDelivered } as const satisfies Record<ReplayCursor['part'], unknown>

async function replayFailed({ engine }: Context, { endpoint, cursor, dueAt, from, until, events }: ReplayPageRequest): Promise<ReplayPage> {
  const kinds = events === null ? null : [...new Set(events.flatMap((name) => WEBHOOK_EVENTS[name].kinds))]
  const filters = { from, until, events: events === null || kinds === null ? undefined : { names: events, kinds } }
  const ids = await listFailedOutboxIds(engine.bulkRead, endpoint, filters, { after: cursor.after, limit: PAGE_SIZE })
  if (ids.length === 0) return { count: 0, last: null }
  const count = await engine.tx((db) => requeueFailedOutbox(db, endpoint, { eventIds: ids, dueAt }), { visibility: 'latest' })
  return { count, last: ids.length < PAGE_SIZE ? null : (ids.at(-1) ?? null) }
}

/** What was sent since the first call is not asked for again: the notifier hears of it while the pages go on. */
async function replayDelivered(
  { engine }: Context,
  { endpoint, cursor, dueAt, from, until, events }: ReplayPageRequest,
): Promise<ReplayPage> {
  const filters = {
    state: 'heard',
    triedUntil: cursor.startedAt,
    ...(events === null ? {} : { events }),
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until: until + 1 }),
  } as const
  const found = await listWebhookRecords(engine.bulkRead, endpoint, filters, { limit: PAGE_SIZE, after: cursor.after })
  if (found.length === 0) return { count: 0, last: null }
  const count = await engine.tx(async (db) => {
    const now = await findWebhookRecordsForOperator(db, found)
    return requeueWebhookRecords(
      db,
      now.filter(({ state }) => state === 'heard'),
      dueAt,
    )
  })
  return { count, last: found.length < PAGE_SIZE ? null : (found.at(-1)?.eventId ?? null) }
}

const CURSOR_PATTERN = /^(?<start>\d{1,15})\.(?<part>failed|heard)\.(?<after>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})?$/

const formatCursor = ({ startedAt: start, part, after }: ReplayCursor): string => `${start}.${part}.${after ?? ''}`

function parseCursor(text: string | null, now: number): ReplayCursor {
  if (text === null) return { startedAt: now, part: 'failed', after: null }
  const { start, part, after } = CURSOR_PATTERN.exec(text)?.groups ?? {}
  if (start === undefined) throw new Fault('bad_request', '`after` is the `next` of the answer before')
  return { startedAt: Number(start), part: part === 'heard' ? 'heard' : 'failed', after: after ?? null }
}

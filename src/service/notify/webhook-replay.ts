/**
 * webhook-replay - queues webhook events again, one page at a time
 *
 * An endpoint that was down for a day may have a million failed events. They are listed on a reader and queued one page a transaction, so that
 * other writes never wait for them. One call queues a limited number and returns a cursor for the next call.
 *
 * See also: service/notify/webhooks and service/notify/notifier (call it), store/webhook/outbox (failed events), store/webhook/attempts
 * (delivered events).
 */
import { WEBHOOK_EVENTS, type WebhookEventName } from '../../webhook/payload.ts'
import { Fault } from '../../errors.ts'
import { listFailedOutboxIds, advanceOutboxDueTime, requeueFailedOutbox, type EndpointRef } from '../../store/webhook/outbox.ts'
import { listWebhookRecords, findWebhookRecordsForOperator, requeueWebhookRecords } from '../../store/webhook/attempts.ts'
import type { Context } from '../context.ts'

/**
 * `from` and `until` (epoch ms) are both included and refer to when the events were created. `events` null selects all kinds. `after` is `next`
 * of the previous call.
 */
export type ReplayRequest = {
  readonly from?: number
  readonly until?: number
  readonly events: readonly WebhookEventName[] | null
  readonly onlyFailed: boolean
  readonly after?: string | null
}

/** How many events were queued, and where the next call continues; null if it is complete. */
export type ReplayResult = { readonly count: number; readonly next: string | null }

/** Rows that one transaction changes: about 20 ms. */
const PAGE_SIZE = 1_000
/** Pages in one call, so that it returns within two seconds. */
const MAX_PAGES_PER_CALL = 10

/** First failed events, oldest first, then delivered ones (`heard`), newest first. `startedAt`: when the first call was made. */
type ReplayCursor = { readonly startedAt: number; readonly part: 'failed' | 'heard'; readonly after: string | null }

type ReplayPageRequest = Omit<ReplayRequest, 'after'> & {
  readonly endpoint: EndpointRef
  readonly cursor: ReplayCursor
  readonly dueAt: number
}

/** `last` is null if this part is complete. */
type ReplayPage = { readonly count: number; readonly last: string | null }

/** Queues up to 10,000 events of one endpoint again. Faults: bad_request (malformed `after`), store_busy. */
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

/** Makes events that wait for a retry due now and, if `shouldReplay`, queues failed events again. Ends early if `shouldStop` returns true. */
export async function resumeAfterRecovery(
  context: Context,
  endpoint: EndpointRef,
  { shouldReplay, shouldStop }: { readonly shouldReplay: boolean; readonly shouldStop: () => boolean },
): Promise<void> {
  const startedAt = context.now()
  for (let n = PAGE_SIZE; n === PAGE_SIZE && !shouldStop();)
    n = await context.engine.tx((db) => advanceOutboxDueTime(db, endpoint, { dueAt: startedAt, limit: PAGE_SIZE }), {
      visibility: 'latest',
    })
  if (!shouldReplay) return
  for (let next: string | null = formatCursor({ startedAt, part: 'failed', after: null }); next !== null && !shouldStop();)
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

/** Leaves out events attempted since the first call: the notifier sends them while further pages are queued. */
async function replayDelivered(
  { engine }: Context,
  { endpoint, cursor, dueAt, from, until, events }: ReplayPageRequest,
): Promise<ReplayPage> {
  const filters = {
    state: 'heard',
    lastAttemptUntil: cursor.startedAt,
    ...(events === null ? {} : { events }),
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until: until + 1 }),
  } as const
  const records = await listWebhookRecords(engine.bulkRead, endpoint, filters, { limit: PAGE_SIZE, after: cursor.after })
  if (records.length === 0) return { count: 0, last: null }
  const count = await engine.tx(async (db) => {
    const current = await findWebhookRecordsForOperator(db, records)
    return requeueWebhookRecords(
      db,
      current.filter(({ state }) => state === 'heard'),
      dueAt,
    )
  })
  return { count, last: records.length < PAGE_SIZE ? null : (records.at(-1)?.eventId ?? null) }
}

const CURSOR_PATTERN = /^(?<start>\d{1,15})\.(?<part>failed|heard)\.(?<after>[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})?$/

const formatCursor = ({ startedAt: start, part, after }: ReplayCursor): string => `${start}.${part}.${after ?? ''}`

function parseCursor(text: string | null, now: number): ReplayCursor {
  if (text === null) return { startedAt: now, part: 'failed', after: null }
  const { start, part, after } = CURSOR_PATTERN.exec(text)?.groups ?? {}
  if (start === undefined) throw new Fault('bad_request', '`after` must be the `next` of the previous response')
  return { startedAt: Number(start), part: part === 'heard' ? 'heard' : 'failed', after: after ?? null }
}

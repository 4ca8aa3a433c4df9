/**
 * attempts - the webhook attempts of each event at an endpoint, with the responses
 *
 * One row for each event that was sent at least once, whether it was delivered, waits for its next attempt, or has failed. The log holds
 * the last attempts. Rows outlive the outbox, so that delivered events can be looked up and sent again.
 *
 * See also: store/webhook/outbox (events still to be sent), service/notify/attempt-log (which writes), settings (webhooks.recordDays).
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { OUTBOX, type OutboxRow } from './outbox.ts'
import {
  uuidToBytes,
  integerColumn,
  jsonColumn,
  nullableColumn,
  createTableMapping,
  textColumn,
  uuidColumn,
  textEnumColumn,
} from '../engine/mapping.ts'
import { createSqlFilter, type SqlFilter } from '../engine/filter.ts'

/**
 * `status` 0: there was no response, and `answer` holds the error. Otherwise `answer` holds the first bytes of the response, which are
 * untrusted.
 */
type StoredWebhookAttempt = { readonly at: number; readonly status: number; readonly millis: number; readonly answer: string }

export const WEBHOOK_RECORD_STATES = ['waiting', 'heard', 'failed'] as const
export type WebhookRecordState = (typeof WEBHOOK_RECORD_STATES)[number]

export type WebhookRecord = Pick<OutboxRow, 'account' | 'endpointId' | 'eventId' | 'subject' | 'deliveryMonth' | 'dedupKey' | 'kind'> & {
  /** The event name (webhook/payload). */
  readonly event: string
  readonly emailId: string | null
  readonly state: WebhookRecordState
  /** Number of attempts. The log may hold fewer. */
  readonly tries: number
  /** When its fact was written. */
  readonly happenedAt: number
  readonly lastAt: number
  /** Oldest first. */
  readonly log: readonly StoredWebhookAttempt[]
}

export const WEBHOOK_RECORDS = createTableMapping<WebhookRecord>('webhook_records', ['account_id', 'endpoint_id', 'event_id'], {
  account: integerColumn('account_id'),
  endpointId: integerColumn('endpoint_id'),
  eventId: uuidColumn('event_id'),
  event: textColumn('event', 'none'),
  kind: textEnumColumn<Fact['kind']>('kind'),
  subject: textColumn('subject', 'none'),
  deliveryMonth: integerColumn('delivery_month'),
  dedupKey: textColumn('dedup_key', 'none'),
  emailId: nullableColumn(textColumn('email_id', 'owner')),
  state: textEnumColumn<WebhookRecordState>('state'),
  tries: integerColumn('tries'),
  happenedAt: integerColumn('happened_at'),
  lastAt: integerColumn('last_at'),
  log: jsonColumn<readonly StoredWebhookAttempt[]>('log', 'json'),
})

const COLUMNS = WEBHOOK_RECORDS.columns('r')

type WebhookRecordKey = Pick<WebhookRecord, 'account' | 'endpointId' | 'eventId'>

/** `until` is exclusive. `lastAttemptUntil` is inclusive and compares the last attempt. */
export type WebhookRecordFilters = {
  readonly lastAttemptUntil?: number
  readonly state?: WebhookRecordState
  readonly events?: readonly string[]
  readonly emailId?: string
  readonly from?: number
  readonly until?: number
}

/** Finds the records of these events, in no order. */
export async function findWebhookRecordsForOperator(
  reader: DatabaseReader,
  keys: readonly WebhookRecordKey[],
): Promise<readonly WebhookRecord[]> {
  const sql = `select ${COLUMNS} from {keys} k cross join webhook_records r where r.account_id = k.k1 and r.endpoint_id = k.k2 and r.event_id = k.k3`
  const rows = keys.map(({ account, endpointId, eventId }) => [account, endpointId, uuidToBytes(eventId)])
  return (await reader.inKeys(sql, { types: ['int', 'int', 'bytes'], rows })).map(WEBHOOK_RECORDS.decode)
}

/** Inserts or updates records. */
export async function saveWebhookRecordsForOperator(db: Database, records: readonly WebhookRecord[]): Promise<void> {
  await db.upsertMany(WEBHOOK_RECORDS, sortByKey(records))
}

const sortByKey = (records: readonly WebhookRecord[]): readonly WebhookRecord[] =>
  records.toSorted((a, b) => a.account - b.account || a.endpointId - b.endpointId || (a.eventId < b.eventId ? -1 : 1))

/** Lists one page of the records of an endpoint, newest first, after `after` (the id of an event). */
export async function listWebhookRecords(
  reader: DatabaseReader,
  { account, endpointId }: Pick<WebhookRecordKey, 'account' | 'endpointId'>,
  filters: WebhookRecordFilters,
  page: { readonly limit: number; readonly after: string | null },
): Promise<readonly WebhookRecord[]> {
  const where = createRecordFilter({ account, endpointId }, filters)
  if (page.after !== null) where.and(`r.event_id < ${where.addParameter(uuidToBytes(page.after))}`)
  const sql = `select ${COLUMNS} from webhook_records r where ${where.sql()} order by r.event_id desc limit ${where.addParameter(page.limit)}`
  return (await reader.all(sql, where.parameters())).map(WEBHOOK_RECORDS.decode)
}

function createRecordFilter(
  { account, endpointId }: Pick<WebhookRecordKey, 'account' | 'endpointId'>,
  filters: WebhookRecordFilters,
): SqlFilter {
  return createSqlFilter('r.account_id = ?', account)
    .andIfGiven('r.endpoint_id = ?', endpointId)
    .andIfGiven('r.state = ?', filters.state)
    .andInIfGiven('r.event', filters.events)
    .andIfGiven('r.email_id = ?', filters.emailId)
    .andIfGiven('r.happened_at >= ?', filters.from)
    .andIfGiven('r.happened_at < ?', filters.until)
    .andIfGiven('r.last_at <= ?', filters.lastAttemptUntil)
}

/** A replay sends these kinds first: they change lists, and receivers act on them. */
const URGENT_KINDS: readonly Fact['kind'][] = ['complaint', 'unsubscribe']

/** Queues delivered and failed events once more from a moment on, complaints and unsubscribes first. Returns how many were queued. */
export async function requeueWebhookRecords(db: Database, records: readonly WebhookRecord[], dueAt: number): Promise<number> {
  const rows = records.map((record): OutboxRow => {
    const { account, endpointId, eventId, subject, deliveryMonth, dedupKey, kind, happenedAt } = record
    const key = { account, endpointId, eventId, subject, deliveryMonth, dedupKey, kind }
    const due = URGENT_KINDS.includes(kind) ? dueAt : dueAt + 1
    return { ...key, state: 'waiting', attempts: 0, dueAt: due, createdAt: happenedAt, error: null }
  })
  const [added] = await Promise.all([
    db.insertMany(OUTBOX, rows, 'ignore'),
    saveWebhookRecordsForOperator(
      db,
      records.map((record) => ({ ...record, state: 'waiting' as const })),
    ),
  ])
  return added
}

/** Removes at most `limit` records of events that happened before a moment, oldest first. Returns how many. */
export async function removeOldWebhookRecordsForOperator(db: Database, before: number, limit: number): Promise<number> {
  const key = 'account_id, endpoint_id, event_id'
  const sql = `delete from webhook_records where (${key}) in (select ${key} from webhook_records where happened_at < $1 order by happened_at limit $2)`
  return db.run(sql, [before, limit])
}

/** Removes the records of these emails, for an erasure. Returns how many. */
export async function removeWebhookRecordsOfEmails(db: Database, account: number, emailIds: readonly string[]): Promise<number> {
  const counts = await Promise.all(
    emailIds.map(async (emailId) => db.run('delete from webhook_records where account_id = $1 and email_id = $2', [account, emailId])),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

/**
 * outbox - one row for each event that must still be sent to an endpoint
 *
 * Written in the transaction of the event, without a body: the body is rendered from the event when it is sent. A row is claimed by its
 * state and a lease, so that nodes share the work and a dead node gives it back. A later event of a subject waits for the earlier one at
 * the same endpoint; ids are in the order of time.
 *
 * See also: store/webhook/endpoints, store/facts/ledger-state (which writes).
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import {
  uuidToBytes,
  integerColumn,
  nullableColumn,
  createTableMapping,
  textColumn,
  uuidColumn,
  bytesToUuid,
  textEnumColumn,
} from '../engine/mapping.ts'
import { createSqlFilter } from '../engine/filter.ts'

export type OutboxRow = {
  readonly account: number
  readonly endpointId: number
  readonly eventId: string
  /** With the month and the dedup key: the key of the fact. */
  readonly subject: string
  readonly deliveryMonth: number
  readonly dedupKey: string
  readonly kind: Fact['kind']
  /** `sending`: claimed until `dueAt`. `failed`: kept for a manual replay. */
  readonly state: 'waiting' | 'sending' | 'failed'
  readonly attempts: number
  readonly dueAt: number
  readonly createdAt: number
  readonly error: string | null
}

export const OUTBOX = createTableMapping<OutboxRow>('outbox', ['account_id', 'endpoint_id', 'event_id'], {
  account: integerColumn('account_id'),
  endpointId: integerColumn('endpoint_id'),
  eventId: uuidColumn('event_id'),
  subject: textColumn('subject', 'none'),
  deliveryMonth: integerColumn('delivery_month'),
  dedupKey: textColumn('dedup_key', 'none'),
  kind: textEnumColumn<Fact['kind']>('kind'),
  state: textEnumColumn<OutboxRow['state']>('state'),
  attempts: integerColumn('attempts'),
  dueAt: integerColumn('due_at'),
  createdAt: integerColumn('created_at'),
  error: nullableColumn(textColumn('error', 'text')),
})

export type EndpointRef = { readonly account: number; readonly endpointId: number }

/** `endpoint` null: any endpoint. */
type OutboxClaim = {
  readonly now: number
  readonly leaseUntil: number
  readonly limit: number
  readonly endpoint?: EndpointRef | null
}

/**
 * Claims rows that are due, oldest first, until `leaseUntil`. A row that is not settled by then is due again. Rows behind an earlier row
 * of their subject are left. Run it in a transaction with `visibility: 'latest'`.
 */
export async function claimOutboxForOperator(db: Database, claim: OutboxClaim): Promise<readonly OutboxRow[]> {
  const { endpoint = null } = claim
  const endpointCondition = endpoint === null ? '' : 'account_id = $3 and endpoint_id = $4 and '
  const rows = await db.claim({
    table: OUTBOX.table,
    where: `${endpointCondition}state in ('waiting', 'sending') and due_at <= $1 and not exists (select 1 from outbox e where e.account_id = outbox.account_id
      and e.endpoint_id = outbox.endpoint_id and e.subject = outbox.subject and e.event_id < outbox.event_id and e.state in ('waiting', 'sending'))`,
    order: 'due_at, event_id',
    set: "state = 'sending', attempts = attempts + 1, due_at = $2",
    params: [claim.now, claim.leaseUntil, ...(endpoint === null ? [] : [endpoint.account, endpoint.endpointId])],
    limit: claim.limit,
  })
  return rows.map(OUTBOX.decode)
}

/** Removes delivered rows. Returns how many existed. */
export async function removeDeliveredOutboxForOperator(db: Database, rows: readonly OutboxRow[]): Promise<number> {
  const counts = await Promise.all(
    rows.map(async ({ account, endpointId, eventId }) =>
      db.run('delete from outbox where account_id = $1 and endpoint_id = $2 and event_id = $3', [
        account,
        endpointId,
        uuidToBytes(eventId),
      ]),
    ),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

/** Saves rows that were not delivered, with their next time and state. A row that another node has settled meanwhile stays settled. */
export async function rescheduleOutboxForOperator(db: Database, rows: readonly OutboxRow[]): Promise<void> {
  const sql = `update outbox set state = $1, attempts = $2, due_at = $3, error = $4
    where account_id = $5 and endpoint_id = $6 and event_id = $7 and state = 'sending'`
  await Promise.all(
    rows.map(async ({ account, endpointId, eventId, state, attempts, dueAt, error }) =>
      db.run(sql, [state, attempts, dueAt, error, account, endpointId, uuidToBytes(eventId)]),
    ),
  )
}

/** Lists the enabled endpoints with due events, by key. */
export async function listDueEndpointsForOperator(reader: DatabaseReader, now: number): Promise<readonly EndpointRef[]> {
  const sql = `select e.account_id, e.endpoint_id from endpoints e where e.enabled = 1 and exists (select 1 from outbox o
    where o.account_id = e.account_id and o.endpoint_id = e.endpoint_id and o.state in ('waiting', 'sending') and o.due_at <= $1)
    order by e.account_id, e.endpoint_id`
  return (await reader.all(sql, [now])).map((row) => ({ account: Number(row['account_id']), endpointId: Number(row['endpoint_id']) }))
}

/** Lists the waiting and failed events of one endpoint, oldest first. */
export async function listOutbox(
  reader: DatabaseReader,
  account: number,
  endpointId: number,
  limit: number,
): Promise<readonly OutboxRow[]> {
  const sql = `select ${OUTBOX.columns('o')} from outbox o where o.account_id = $1 and o.endpoint_id = $2 order by o.event_id limit $3`
  return (await reader.all(sql, [account, endpointId, limit])).map(OUTBOX.decode)
}

/** Created from `from` to `until`, both inclusive. `events` (names of webhook/payload, with their kinds of fact) narrows the result. */
type FailedOutboxFilters = {
  readonly from?: number | undefined
  readonly until?: number | undefined
  readonly events?: { readonly names: readonly string[]; readonly kinds: readonly Fact['kind'][] } | undefined
}

/** Lists one page of the failed events of one endpoint, by id, oldest first, after `after`. */
export async function listFailedOutboxIds(
  reader: DatabaseReader,
  { account, endpointId }: EndpointRef,
  { from, until, events }: FailedOutboxFilters,
  page: { readonly after: string | null; readonly limit: number },
): Promise<readonly string[]> {
  const joinCondition = 'r.account_id = o.account_id and r.endpoint_id = o.endpoint_id and r.event_id = o.event_id'
  const where = createSqlFilter('o.account_id = ?', account)
    .andIfGiven('o.endpoint_id = ?', endpointId)
    .andIfGiven('o.event_id > ?', page.after === null ? undefined : uuidToBytes(page.after))
    .and("o.state = 'failed'")
    .andIfGiven('o.created_at >= ?', from)
    .andIfGiven('o.created_at <= ?', until)
    .andInIfGiven('o.kind', events?.kinds)
  if (events !== undefined) {
    // One kind of fact may be several events. The record says which one it was.
    const names = events.names.map((name) => where.addParameter(name)).join(', ')
    where.and(`not exists (select 1 from webhook_records r where ${joinCondition} and r.event not in (${names}))`)
  }
  const sql = `select o.event_id from outbox o where ${where.sql()} order by o.event_id limit ${where.addParameter(page.limit)}`
  return (await reader.all(sql, where.parameters())).flatMap(({ event_id: id }) => (id instanceof Uint8Array ? bytesToUuid(id) : []))
}

/**
 * Queues failed rows of one endpoint again from a moment on, complaints and unsubscribes first. Returns how many were failed. One
 * transaction.
 */
export async function requeueFailedOutbox(
  db: Database,
  { account, endpointId }: EndpointRef,
  { eventIds, dueAt }: { readonly eventIds: readonly string[]; readonly dueAt: number },
): Promise<number> {
  const types = ['int', 'int', 'bytes'] as const
  const keyCondition = '(account_id, endpoint_id, event_id) in (select k.k1, k.k2, k.k3 from {keys} k)'
  const sql = `update outbox set state = 'waiting', attempts = 0, error = null,
    due_at = cast($1 as bigint) + case when kind in ('complaint', 'unsubscribe') then 0 else 1 end
    where state = 'failed' and ${keyCondition} returning event_id as id`
  const keys = eventIds.toSorted().map((id) => [account, endpointId, uuidToBytes(id)])
  const requeued = await db.inKeys(sql, { types, rows: keys }, [dueAt])
  const rows = requeued.map(({ id }) => [account, endpointId, id ?? null])
  await db.inKeys(`update webhook_records set state = 'waiting' where ${keyCondition}`, { types, rows })
  return requeued.length
}

/** Lets rows of one endpoint that rest between two attempts be due at a moment: it is well again; how many, at most `limit`. */
export async function advanceOutboxDueTime(
  db: Database,
  { account, endpointId }: EndpointRef,
  { dueAt, limit }: { readonly dueAt: number; readonly limit: number },
): Promise<number> {
  const key = 'account_id, endpoint_id, event_id'
  // The index covers both states and is only used if both are named.
  const sql = `update outbox set due_at = $1 where state = 'waiting' and (${key}) in (select ${key} from outbox
    where account_id = $2 and endpoint_id = $3 and state in ('waiting', 'sending') and state = 'waiting' and due_at > $1 order by due_at limit $4)`
  return db.run(sql, [dueAt, account, endpointId, limit])
}

/** News about the queue: of use only while it is new. */
const EXPRESS_KINDS: ReadonlySet<Fact['kind']> = new Set(['queue', 'alarm'])

/** Rows are claimed by their time. A transition of the queue is sent before the events of a whole day that wait at the endpoint. */
const EXPRESS_HEAD_START_MS = 86_400_000

/** The first outbox row of a fact: waiting, due at once. */
export function createOutboxRow(fact: Fact, endpointId: number, now: number): OutboxRow {
  const { account, id, subject, deliveryMonth, dedupKey, kind } = fact
  return {
    account,
    endpointId,
    eventId: id,
    subject,
    deliveryMonth,
    dedupKey,
    kind,
    state: 'waiting',
    attempts: 0,
    dueAt: EXPRESS_KINDS.has(kind) ? now - EXPRESS_HEAD_START_MS : now,
    createdAt: now,
    error: null,
  }
}

/** Counts the events of one endpoint that wait and that have failed, each up to a number that nobody counts beyond. */
export async function countOutbox(
  reader: DatabaseReader,
  { account, endpointId }: EndpointRef,
): Promise<{ readonly waiting: number; readonly failed: number }> {
  const count = (condition: string): string =>
    `(select count(*) from (select 1 as one from outbox o where o.account_id = $1 and o.endpoint_id = $2 and o.state ${condition} limit 10001) c)`
  const row = await reader.one(`select ${count("<> 'failed'")} as waiting, ${count("= 'failed'")} as failed`, [account, endpointId])
  return { waiting: Number(row?.['waiting'] ?? 0), failed: Number(row?.['failed'] ?? 0) }
}

/** Counts the events of all accounts that wait to be sent, up to a number that nobody counts beyond. */
export async function countWaitingOutboxForOperator(reader: DatabaseReader): Promise<number> {
  const sql = "select count(*) as n from (select 1 as one from outbox o where o.state <> 'failed' limit 100001) w"
  return Number((await reader.one(sql))?.['n'] ?? 0)
}

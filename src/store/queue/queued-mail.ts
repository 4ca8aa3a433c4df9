/**
 * queued-mail - mail that waits to be delivered: the row that each has, and the body that the mails of one request share
 *
 * A mail is added in the transaction that registers its delivery and is removed in the one that ends it. `dispatchedAt` is committed
 * before an attempt begins: a row that still has it after a crash is a mail of which nobody knows whether it was accepted. `fresh` rows
 * were not yet taken by the node that delivers. A body goes with its last mail.
 *
 * See also: queue/queue (the queue in memory), service/deliver/deliverer, store/engine/lease (which node delivers).
 */
import type { Database, KeyTuples, DatabaseReader } from '../engine/engine.ts'
import {
  booleanColumn,
  integerColumn,
  jsonColumn,
  nullableColumn,
  compressedColumn,
  createTableMapping,
  textColumn,
} from '../engine/mapping.ts'
import { decompressBytes } from '../engine/compression.ts'
import type { SqlRow } from '../engine/value.ts'

export type QueuedMessage = {
  readonly account: number
  readonly deliveryId: string
  readonly deliveryMonth: number
  readonly bodyId: string
  readonly recipient: string
  /** The recipient's, in its ASCII form. */
  readonly domain: string
  readonly senderDomain: string
  /** What is substituted for this recipient. */
  readonly variables: Readonly<Record<string, string>>
  readonly acceptedAt: number
  /** Not before; 0: at once. */
  readonly dueAt: number
  /** Attempts whose outcome is known. */
  readonly attempts: number
  /** When an attempt was about to begin of which nothing is known yet. */
  readonly dispatchedAt: number | null
}

/** A mail as it lies. `refusedBy`: the IPs that it was refused from. */
type QueuedMessageRow = QueuedMessage & { readonly refusedBy: readonly string[]; readonly fresh: boolean }

/** What the queue in memory needs of a mail: short, so that a million are loaded soon. */
export type QueuedMessageSummary = Pick<
  QueuedMessageRow,
  | 'account'
  | 'deliveryId'
  | 'deliveryMonth'
  | 'domain'
  | 'senderDomain'
  | 'acceptedAt'
  | 'dueAt'
  | 'attempts'
  | 'dispatchedAt'
  | 'refusedBy'
>

/** What a request asks to be sent (compose/composition, as JSON), for all of its mails. `bodyId` is unique in its account. */
type QueuedBody = { readonly bodyId: string; readonly content: string; readonly createdAt: number }

type QueuedBodyRow = {
  readonly account: number
  readonly bodyId: string
  readonly content: Uint8Array
  readonly mails: number
  readonly createdAt: number
}

const summaryColumns = {
  account: integerColumn('account_id'),
  deliveryId: textColumn('delivery_id', 'none'),
  deliveryMonth: integerColumn('delivery_month'),
  domain: textColumn('domain', 'none'),
  senderDomain: textColumn('sender_domain', 'none'),
  acceptedAt: integerColumn('accepted_at'),
  dueAt: integerColumn('due_at'),
  attempts: integerColumn('attempts'),
  dispatchedAt: nullableColumn(integerColumn('dispatched_at')),
  refusedBy: jsonColumn<readonly string[]>('refused_by', 'none'),
}

const MESSAGE_KEY = ['account_id', 'delivery_id', 'delivery_month']

const MESSAGE_SUMMARIES = createTableMapping<QueuedMessageSummary>('queue_mails', MESSAGE_KEY, summaryColumns)

export const QUEUED_MESSAGES = createTableMapping<QueuedMessageRow>('queue_mails', MESSAGE_KEY, {
  ...summaryColumns,
  bodyId: textColumn('body_id', 'none'),
  recipient: textColumn('recipient', 'owner'),
  variables: jsonColumn<QueuedMessage['variables']>('variables', 'json'),
  fresh: booleanColumn('fresh'),
})

export const QUEUED_BODIES = createTableMapping<QueuedBodyRow>('queue_bodies', ['account_id', 'body_id'], {
  account: integerColumn('account_id'),
  bodyId: textColumn('body_id', 'none'),
  content: compressedColumn('content', 'composition'),
  mails: integerColumn('mails'),
  createdAt: integerColumn('created_at'),
})

/** A mail that was just accepted. */
export type NewQueuedMessage = Omit<QueuedMessage, 'account' | 'bodyId' | 'attempts' | 'dispatchedAt'>

/**
 * Adds mails and their body, in the transaction that registers them. Mails of one body may come in several calls; Fault conflict for a
 * mail that waits already.
 */
export async function addQueuedMessages(
  db: Database,
  account: number,
  body: QueuedBody,
  mails: readonly NewQueuedMessage[],
): Promise<void> {
  if (mails.length === 0) return
  const content = Buffer.from(body.content)
  const rows = mails.map((mail): QueuedMessageRow => ({
    ...mail,
    account,
    bodyId: body.bodyId,
    attempts: 0,
    dispatchedAt: null,
    refusedBy: [],
    fresh: true,
  }))
  await Promise.all([
    db.upsertMany(QUEUED_BODIES, [{ account, bodyId: body.bodyId, content, mails: mails.length, createdAt: body.createdAt }], {
      addColumns: ['mails'],
      keepColumns: ['content', 'created_at'],
    }),
    db.insertMany(QUEUED_MESSAGES, rows),
  ])
}

/** Where a page ended. */
export type QueueCursor = Pick<QueuedMessage, 'acceptedAt' | 'account' | 'deliveryId'>

const COLUMNS = MESSAGE_SUMMARIES.columns('q')

/** What waits, the oldest first, behind `after`. */
export async function listQueuedMessagesForOperator(
  reader: DatabaseReader,
  after: QueueCursor | null,
  limit: number,
): Promise<readonly QueuedMessageSummary[]> {
  const { acceptedAt, account, deliveryId } = after ?? { acceptedAt: -1, account: 0, deliveryId: '' }
  const sql = `select ${COLUMNS} from queue_mails q where (q.accepted_at, q.account_id, q.delivery_id) > ($1, $2, $3)
    order by q.accepted_at, q.account_id, q.delivery_id limit $4`
  return (await reader.all(sql, [acceptedAt, account, deliveryId, limit])).map(MESSAGE_SUMMARIES.decode)
}

/** Takes mails that came in since: each is given once. Run it in a transaction that sees the latest. */
export async function claimNewMessagesForOperator(db: Database, limit: number): Promise<readonly QueuedMessageSummary[]> {
  const rows = await db.claim({
    table: QUEUED_MESSAGES.table,
    where: 'fresh = 1',
    order: 'accepted_at, account_id, delivery_id',
    set: 'fresh = 0',
    params: [],
    limit,
  })
  return rows.map(MESSAGE_SUMMARIES.decode)
}

/** Names a mail. */
export type QueuedMessageRef = Pick<QueuedMessage, 'account' | 'deliveryId' | 'deliveryMonth'>

/** The keys k1, k2 and k3 of these mails. */
const messageKeys = (refs: readonly QueuedMessageRef[]): KeyTuples => ({
  types: ['int', 'text', 'int'],
  rows: refs.map(({ account, deliveryId, deliveryMonth }) => [account, deliveryId, deliveryMonth]),
})

const SAME_MESSAGE = 'account_id = k.k1 and queue_mails.delivery_id = k.k2 and queue_mails.delivery_month = k.k3'

/**
 * Writes down that an attempt of each is about to begin, and gives the mails whole, in no order. What is left out is not there any more:
 * it must not be sent.
 */
export async function markDispatchedForOperator(
  db: Database,
  refs: readonly QueuedMessageRef[],
  at: number,
): Promise<readonly QueuedMessage[]> {
  const sql = `update queue_mails set dispatched_at = $1, fresh = 0 from {keys} k where queue_mails.${SAME_MESSAGE}
    returning ${QUEUED_MESSAGES.columns('queue_mails')}`
  return (await db.inKeys(sql, messageKeys(refs), [at])).map(QUEUED_MESSAGES.decode)
}

/** A mail that stays: where it stands after an attempt. `dispatchedAt` names the attempt that is over. */
type RequeuedMessage = QueuedMessageRef & Pick<QueuedMessageRow, 'dueAt' | 'attempts' | 'refusedBy'> & { readonly dispatchedAt: number }

/** Puts mails back that wait for another attempt. One that another node has taken meanwhile is left alone. */
export async function requeueMessagesForOperator(db: Database, mails: readonly RequeuedMessage[]): Promise<void> {
  const sql = `update queue_mails set due_at = k.k4, attempts = k.k5, refused_by = k.k6, dispatched_at = null from {keys} k
    where queue_mails.${SAME_MESSAGE} and queue_mails.dispatched_at = k.k7`
  const rows = mails.map((mail) => [
    mail.account,
    mail.deliveryId,
    mail.deliveryMonth,
    mail.dueAt,
    mail.attempts,
    JSON.stringify(mail.refusedBy),
    mail.dispatchedAt,
  ])
  await db.inKeys(sql, { types: ['int', 'text', 'int', 'int', 'int', 'text', 'int'], rows })
}

/** Removes mails that have ended, and the bodies that no mail needs any more; how many mails were there. Idempotent. */
export async function removeQueuedMessagesForOperator(db: Database, refs: readonly QueuedMessageRef[]): Promise<number> {
  const removed = await db.inKeys(
    `delete from queue_mails where (account_id, delivery_id, delivery_month) in (select k.k1, k.k2, k.k3 from {keys} k)
     returning account_id, body_id`,
    messageKeys(refs),
  )
  const counts = Map.groupBy(removed, (row) => `${Number(row['account_id'])} ${String(row['body_id'])}`)
  const rows = [...counts.values()].map((group) => [...bodyKey(group[0] ?? {}), group.length])
  const keys: KeyTuples = { types: ['int', 'text', 'int'], rows: rows.toSorted(compareKeys) }
  await Promise.all([
    db.inKeys(
      'update queue_bodies set mails = mails - k.k3 from {keys} k where queue_bodies.account_id = k.k1 and queue_bodies.body_id = k.k2',
      keys,
    ),
    db.inKeys(
      'delete from queue_bodies where (account_id, body_id) in (select k.k1, k.k2 from {keys} k where k.k3 > 0) and mails <= 0',
      keys,
    ),
  ])
  return removed.length
}

const bodyKey = (row: SqlRow): readonly [number, string] => [Number(row['account_id']), String(row['body_id'])]

/** By account, then by body: locks are taken in one order everywhere. */
const compareKeys = (a: KeyTuples['rows'][number], b: KeyTuples['rows'][number]): number =>
  Number(a[0]) - Number(b[0]) || (String(a[1]) < String(b[1]) ? -1 : 1)

/** What a request asked to be sent, as JSON; null where no mail needs it any more. */
export async function findQueuedBody(reader: DatabaseReader, account: number, bodyId: string): Promise<string | null> {
  const sql = `select ${QUEUED_BODIES.columns('b')} from queue_bodies b where b.account_id = $1 and b.body_id = $2`
  const row = await reader.one(sql, [account, bodyId])
  return row === null ? null : (await decompressBytes(QUEUED_BODIES.decode(row).content)).toString()
}

/** Whether mails that nobody has taken, or reports, wait. */
export async function findPendingWorkForOperator(reader: DatabaseReader): Promise<{ readonly fresh: boolean; readonly reports: boolean }> {
  const row = await reader.one(`select
    case when exists (select 1 from queue_mails q where q.fresh = 1) then 1 else 0 end as fresh,
    case when exists (select 1 from queue_reports r) then 1 else 0 end as reports`)
  return { fresh: Number(row?.['fresh']) === 1, reports: Number(row?.['reports']) === 1 }
}

/** How many mails wait, whoever they belong to. */
export async function countQueuedMessagesForOperator(reader: DatabaseReader): Promise<number> {
  return Number((await reader.one('select count(*) as n from queue_mails'))?.['n'] ?? 0)
}

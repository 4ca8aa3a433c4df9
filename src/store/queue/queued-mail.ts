/**
 * queued-mail - mail that waits to be delivered: the row that each has, and the body that the mails of one request share
 *
 * A mail is added in the transaction that registers its delivery and is removed in the one that ends it. `dispatchedAt` is committed
 * before an attempt begins: a row that still has it after a crash is a mail of which nobody knows whether it was accepted. `fresh` rows
 * were not yet taken by the node that delivers. A body goes with its last mail.
 *
 * See also: queue/queue (the queue in memory), service/deliver/deliverer, store/engine/lease (which node delivers).
 */
import type { Db, Keys, Reader } from '../engine/engine.ts'
import { flag, int, json, maybe, packed, shapeOf, text } from '../engine/mapping.ts'
import { unpack } from '../engine/compression.ts'
import type { Row } from '../engine/value.ts'

export type QueuedMail = {
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
export type QueuedRow = QueuedMail & { readonly refusedBy: readonly string[]; readonly fresh: boolean }

/** What the queue in memory needs of a mail: short, so that a million are loaded soon. */
export type WaitingMail = Pick<
  QueuedRow,
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
export type QueuedBody = { readonly bodyId: string; readonly content: string; readonly createdAt: number }

type BodyRow = {
  readonly account: number
  readonly bodyId: string
  readonly content: Uint8Array
  readonly mails: number
  readonly createdAt: number
}

const waitingFields = {
  account: int('account_id'),
  deliveryId: text('delivery_id'),
  deliveryMonth: int('delivery_month'),
  domain: text('domain'),
  senderDomain: text('sender_domain'),
  acceptedAt: int('accepted_at'),
  dueAt: int('due_at'),
  attempts: int('attempts'),
  dispatchedAt: maybe(int('dispatched_at')),
  refusedBy: json<readonly string[]>('refused_by'),
}

const MAIL_KEY = ['account_id', 'delivery_id', 'delivery_month']

const WAITING = shapeOf<WaitingMail>('queue_mails', MAIL_KEY, waitingFields)

export const QUEUE_MAILS = shapeOf<QueuedRow>('queue_mails', MAIL_KEY, {
  ...waitingFields,
  bodyId: text('body_id'),
  recipient: text('recipient'),
  variables: json<QueuedMail['variables']>('variables'),
  fresh: flag('fresh'),
})

export const QUEUE_BODIES = shapeOf<BodyRow>('queue_bodies', ['account_id', 'body_id'], {
  account: int('account_id'),
  bodyId: text('body_id'),
  content: packed('content'),
  mails: int('mails'),
  createdAt: int('created_at'),
})

/** A mail that was just accepted. */
export type NewMail = Omit<QueuedMail, 'account' | 'bodyId' | 'attempts' | 'dispatchedAt'>

/**
 * Adds mails and their body, in the transaction that registers them. Mails of one body may come in several calls; Fault conflict for a
 * mail that waits already.
 */
export async function addQueued(db: Db, account: number, body: QueuedBody, mails: readonly NewMail[]): Promise<void> {
  if (mails.length === 0) return
  const content = Buffer.from(body.content)
  const rows = mails.map((mail): QueuedRow => ({
    ...mail,
    account,
    bodyId: body.bodyId,
    attempts: 0,
    dispatchedAt: null,
    refusedBy: [],
    fresh: true,
  }))
  await Promise.all([
    db.upsertMany(QUEUE_BODIES, [{ account, bodyId: body.bodyId, content, mails: mails.length, createdAt: body.createdAt }], {
      add: ['mails'],
      keep: ['content', 'created_at'],
    }),
    db.insertMany(QUEUE_MAILS, rows),
  ])
}

/** Where a page ended. */
export type QueueCursor = Pick<QueuedMail, 'acceptedAt' | 'account' | 'deliveryId'>

const COLUMNS = WAITING.columns('q')

/** What waits, the oldest first, behind `after`. */
export async function pageQueuedForOperator(reader: Reader, after: QueueCursor | null, limit: number): Promise<readonly WaitingMail[]> {
  const { acceptedAt, account, deliveryId } = after ?? { acceptedAt: -1, account: 0, deliveryId: '' }
  const sql = `select ${COLUMNS} from queue_mails q where (q.accepted_at, q.account_id, q.delivery_id) > ($1, $2, $3)
    order by q.accepted_at, q.account_id, q.delivery_id limit $4`
  return (await reader.all(sql, [acceptedAt, account, deliveryId, limit])).map(WAITING.decode)
}

/** Takes mails that came in since: each is given once. Run it in a transaction that sees the latest. */
export async function takeFreshForOperator(db: Db, limit: number): Promise<readonly WaitingMail[]> {
  const rows = await db.claim({
    table: QUEUE_MAILS.table,
    where: 'fresh = 1',
    order: 'accepted_at, account_id, delivery_id',
    set: 'fresh = 0',
    params: [],
    limit,
  })
  return rows.map(WAITING.decode)
}

/** Names a mail. */
export type MailRef = Pick<QueuedMail, 'account' | 'deliveryId' | 'deliveryMonth'>

/** The keys k1, k2 and k3 of these mails. */
const keysOf = (refs: readonly MailRef[]): Keys => ({
  types: ['int', 'text', 'int'],
  rows: refs.map(({ account, deliveryId, deliveryMonth }) => [account, deliveryId, deliveryMonth]),
})

const SAME = 'account_id = k.k1 and queue_mails.delivery_id = k.k2 and queue_mails.delivery_month = k.k3'

/**
 * Writes down that an attempt of each is about to begin, and gives the mails whole, in no order. What is left out is not there any more:
 * it must not be sent.
 */
export async function markDispatchedForOperator(db: Db, refs: readonly MailRef[], at: number): Promise<readonly QueuedMail[]> {
  const sql = `update queue_mails set dispatched_at = $1, fresh = 0 from {keys} k where queue_mails.${SAME}
    returning ${QUEUE_MAILS.columns('queue_mails')}`
  return (await db.inKeys(sql, keysOf(refs), [at])).map(QUEUE_MAILS.decode)
}

/** A mail that stays: where it stands after an attempt. `dispatchedAt` names the attempt that is over. */
export type PutBack = MailRef & Pick<QueuedRow, 'dueAt' | 'attempts' | 'refusedBy'> & { readonly dispatchedAt: number }

/** Puts mails back that wait for another attempt. One that another node has taken meanwhile is left alone. */
export async function putBackQueuedForOperator(db: Db, mails: readonly PutBack[]): Promise<void> {
  const sql = `update queue_mails set due_at = k.k4, attempts = k.k5, refused_by = k.k6, dispatched_at = null from {keys} k
    where queue_mails.${SAME} and queue_mails.dispatched_at = k.k7`
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
export async function removeQueuedForOperator(db: Db, refs: readonly MailRef[]): Promise<number> {
  const removed = await db.inKeys(
    `delete from queue_mails where (account_id, delivery_id, delivery_month) in (select k.k1, k.k2, k.k3 from {keys} k)
     returning account_id, body_id`,
    keysOf(refs),
  )
  const counts = Map.groupBy(removed, (row) => `${Number(row['account_id'])} ${String(row['body_id'])}`)
  const rows = [...counts.values()].map((group) => [...bodyKey(group[0] ?? {}), group.length])
  const keys: Keys = { types: ['int', 'text', 'int'], rows: rows.toSorted(byKey) }
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

const bodyKey = (row: Row): readonly [number, string] => [Number(row['account_id']), String(row['body_id'])]

/** By account, then by body: locks are taken in one order everywhere. */
const byKey = (a: Keys['rows'][number], b: Keys['rows'][number]): number =>
  Number(a[0]) - Number(b[0]) || (String(a[1]) < String(b[1]) ? -1 : 1)

/** What a request asked to be sent, as JSON; null where no mail needs it any more. */
export async function findQueuedBody(reader: Reader, account: number, bodyId: string): Promise<string | null> {
  const sql = `select ${QUEUE_BODIES.columns('b')} from queue_bodies b where b.account_id = $1 and b.body_id = $2`
  const row = await reader.one(sql, [account, bodyId])
  return row === null ? null : (await unpack(QUEUE_BODIES.decode(row).content)).toString()
}

/** Whether mails that nobody has taken, or reports, wait. */
export async function lookForOperator(reader: Reader): Promise<{ readonly fresh: boolean; readonly reports: boolean }> {
  const row = await reader.one(`select
    case when exists (select 1 from queue_mails q where q.fresh = 1) then 1 else 0 end as fresh,
    case when exists (select 1 from queue_reports r) then 1 else 0 end as reports`)
  return { fresh: Number(row?.['fresh']) === 1, reports: Number(row?.['reports']) === 1 }
}

/** How many mails wait, whoever they belong to. */
export async function countQueuedForOperator(reader: Reader): Promise<number> {
  return Number((await reader.one('select count(*) as n from queue_mails'))?.['n'] ?? 0)
}

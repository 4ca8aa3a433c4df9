/**
 * queued-mail - the queued messages, a row for each
 *
 * A message is added in the transaction that registers its delivery and removed in the one that ends it. `dispatchedAt` is committed
 * before an attempt begins: if a row still has it after a crash, nobody knows whether the message was accepted. `fresh` rows have not
 * been taken by the delivering node yet.
 *
 * See also: store/queue/queued-bodies, queue/queue (the queue in memory), service/deliver/deliverer, store/engine/lease (which node delivers).
 */
import type { Database, KeyTuples, DatabaseReader } from '../engine/engine.ts'
import { booleanColumn, integerColumn, jsonColumn, nullableColumn, createTableMapping, textColumn } from '../engine/mapping.ts'
import type { HeldGroups } from '../../queue/lane-group.ts'
import { inGroupsSql } from './lane-groups.ts'
import { addQueuedBody, readBodyUse, removeUnneededBodies, type BodyUse, type QueuedBody } from './queued-bodies.ts'

export type QueuedMessage = {
  readonly account: number
  readonly deliveryId: string
  readonly deliveryMonth: number
  readonly bodyId: string
  readonly recipient: string
  /** The recipient's domain, as A-label. */
  readonly domain: string
  readonly senderDomain: string
  /** The name that its label had when it was accepted; null: no label. */
  readonly labelName: string | null
  /** The number of its label; null: it has none, or was queued by a node of a version before 34 of the schema. */
  readonly labelId: number | null
  /** Whether transactional messages go before it. */
  readonly isBatch: boolean
  /** The group of its lane (queue/lane-group). */
  readonly laneGroup: number
  /** The variables of this recipient. */
  readonly variables: Readonly<Record<string, string>>
  /** Its send time, if it has one. Its lifetime starts here. */
  readonly acceptedAt: number
  /** When a message with a send time was accepted; null: it has none. */
  readonly requestedAt: number | null
  /** The index of the key that signs its tokens; null: queued before version 16 of the schema. */
  readonly keyIndex: number | null
  /** Not before this time: its send time or its next retry; 0: at once. */
  readonly dueAt: number
  /** Number of attempts whose outcome is known. */
  readonly attempts: number
  /** When an attempt began whose outcome is not known yet. */
  readonly dispatchedAt: number | null
  /** The node that began that attempt, and the term of its lease (store/queue/lane-groups); null: none, or a node of an older version. */
  readonly markedBy: string | null
}

/** A stored message. `refusedBy`: the egress IPs from which it was refused. */
type QueuedMessageRow = QueuedMessage & { readonly refusedBy: readonly string[]; readonly fresh: boolean }

/** The part of a message that the queue in memory needs: short, so that a million are loaded quickly. */
export type QueuedMessageSummary = Pick<
  QueuedMessageRow,
  | 'account'
  | 'deliveryId'
  | 'deliveryMonth'
  | 'domain'
  | 'laneGroup'
  | 'senderDomain'
  | 'labelName'
  | 'labelId'
  | 'isBatch'
  | 'acceptedAt'
  | 'requestedAt'
  | 'dueAt'
  | 'attempts'
  | 'dispatchedAt'
  | 'markedBy'
  | 'refusedBy'
>

const summaryColumns = {
  account: integerColumn('account_id'),
  deliveryId: textColumn('delivery_id', 'none'),
  deliveryMonth: integerColumn('delivery_month'),
  domain: textColumn('domain', 'none'),
  laneGroup: integerColumn('lane_group'),
  senderDomain: textColumn('sender_domain', 'none'),
  labelName: nullableColumn(textColumn('label_name', 'none')),
  labelId: nullableColumn(integerColumn('label_id')),
  isBatch: booleanColumn('is_batch'),
  acceptedAt: integerColumn('accepted_at'),
  requestedAt: nullableColumn(integerColumn('requested_at')),
  dueAt: integerColumn('due_at'),
  attempts: integerColumn('attempts'),
  dispatchedAt: nullableColumn(integerColumn('dispatched_at')),
  markedBy: nullableColumn(textColumn('marked_by', 'none')),
  refusedBy: jsonColumn<readonly string[]>('refused_by', 'none'),
}

const MESSAGE_KEY = ['account_id', 'delivery_id', 'delivery_month']

const MESSAGE_SUMMARIES = createTableMapping<QueuedMessageSummary>('queue_mails', MESSAGE_KEY, summaryColumns)

export const QUEUED_MESSAGES = createTableMapping<QueuedMessageRow>('queue_mails', MESSAGE_KEY, {
  ...summaryColumns,
  bodyId: textColumn('body_id', 'none'),
  recipient: textColumn('recipient', 'owner'),
  variables: jsonColumn<QueuedMessage['variables']>('variables', 'json'),
  keyIndex: nullableColumn(integerColumn('key_index')),
  fresh: booleanColumn('fresh'),
})

/** A message that was just accepted. */
export type NewQueuedMessage = Omit<QueuedMessage, 'account' | 'bodyId' | 'attempts' | 'dispatchedAt' | 'markedBy'>

/**
 * Adds messages and their body, in the transaction that registers them. The messages of one body may be added by several calls. Throws
 * Fault conflict for a message that is already queued.
 */
export async function addQueuedMessages(
  db: Database,
  account: number,
  body: QueuedBody,
  mails: readonly NewQueuedMessage[],
): Promise<void> {
  if (mails.length === 0) return
  const rows = mails.map((mail): QueuedMessageRow => ({
    ...mail,
    account,
    bodyId: body.bodyId,
    attempts: 0,
    dispatchedAt: null,
    markedBy: null,
    refusedBy: [],
    fresh: true,
  }))
  await Promise.all([addQueuedBody(db, account, body, mails.length), db.insertMany(QUEUED_MESSAGES, rows)])
}

/** The last row of a page. */
export type QueueCursor = Pick<QueuedMessage, 'acceptedAt' | 'account' | 'deliveryId'>

const COLUMNS = MESSAGE_SUMMARIES.columns('q')

/** Lists the queued messages of some groups, oldest first, after `after`. */
export async function listQueuedMessagesForOperator(
  reader: DatabaseReader,
  { groups, after, limit }: { readonly groups: HeldGroups; readonly after: QueueCursor | null; readonly limit: number },
): Promise<readonly QueuedMessageSummary[]> {
  const { acceptedAt, account, deliveryId } = after ?? { acceptedAt: -1, account: 0, deliveryId: '' }
  const sql = `select ${COLUMNS} from queue_mails q where (q.accepted_at, q.account_id, q.delivery_id) > ($1, $2, $3)
    and ${inGroupsSql(groups)} order by q.accepted_at, q.account_id, q.delivery_id limit $4`
  return (await reader.all(sql, [acceptedAt, account, deliveryId, limit])).map(MESSAGE_SUMMARIES.decode)
}

/** Claims messages of some groups that were added since; each is returned once. Run it in a transaction with `visibility: 'latest'`. */
export async function claimNewMessagesForOperator(
  db: Database,
  groups: HeldGroups,
  limit: number,
): Promise<readonly QueuedMessageSummary[]> {
  const rows = await db.claim({
    table: QUEUED_MESSAGES.table,
    where: `fresh = 1 and ${inGroupsSql(groups)}`,
    order: 'accepted_at, account_id, delivery_id',
    set: 'fresh = 0',
    params: [],
    limit,
  })
  return rows.map(MESSAGE_SUMMARIES.decode)
}

/** Identifies a message. */
export type QueuedMessageRef = Pick<QueuedMessage, 'account' | 'deliveryId' | 'deliveryMonth'>

/** The keys k1, k2 and k3 of these messages. */
const messageKeys = (refs: readonly QueuedMessageRef[]): KeyTuples => ({
  types: ['int', 'text', 'int'],
  rows: refs.map(({ account, deliveryId, deliveryMonth }) => [account, deliveryId, deliveryMonth]),
})

const SAME_MESSAGE = 'account_id = k.k1 and queue_mails.delivery_id = k.k2 and queue_mails.delivery_month = k.k3'

/** When messages are marked, and by whom. The node holds the groups. */
type Mark = { readonly at: number; readonly markedBy: string; readonly groups: HeldGroups }

/**
 * Records that an attempt of each message is about to begin, and returns the whole messages, in no order. A message that is left out no
 * longer exists, or has moved to a group that the node does not hold, and must not be sent.
 */
export async function markDispatchedForOperator(
  db: Database,
  refs: readonly QueuedMessageRef[],
  { at, markedBy, groups }: Mark,
): Promise<readonly QueuedMessage[]> {
  const sql = `update queue_mails set dispatched_at = $1, marked_by = $2, fresh = 0 from {keys} k where queue_mails.${SAME_MESSAGE}
    and ${inGroupsSql(groups)} returning ${QUEUED_MESSAGES.columns('queue_mails')}`
  return (await db.inKeys(sql, messageKeys(refs), [at, markedBy])).map(QUEUED_MESSAGES.decode)
}

/** A message that stays in the queue after an attempt. `dispatchedAt` names the attempt that has ended. */
type RequeuedMessage = QueuedMessageRef & Pick<QueuedMessageRow, 'dueAt' | 'attempts' | 'refusedBy'> & { readonly dispatchedAt: number }

/**
 * Requeues messages for another attempt. A message that another node has marked meanwhile is left alone. The node that delivers a group claims the messages of
 * groups that this node does not hold (any more).
 */
export async function requeueMessagesForOperator(db: Database, mails: readonly RequeuedMessage[], held: HeldGroups): Promise<void> {
  const sql = `update queue_mails set due_at = k.k4, attempts = k.k5, refused_by = k.k6, dispatched_at = null, marked_by = null,
      fresh = case when ${inGroupsSql(held)} then queue_mails.fresh else 1 end
    from {keys} k where queue_mails.${SAME_MESSAGE} and queue_mails.dispatched_at = k.k7`
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

/** A message whose domain has a site of another group. `isFresh`: the holder of that group is to claim it. */
export type MovedMessage = { readonly ref: QueuedMessageRef; readonly from: number; readonly to: number; readonly isFresh: boolean }

/** Moves messages to another group. One that is marked, or was moved by another node, is left alone. */
export async function moveMessagesForOperator(db: Database, mails: readonly MovedMessage[]): Promise<void> {
  const sql = `update queue_mails set lane_group = k.k5, fresh = k.k6 from {keys} k
    where queue_mails.${SAME_MESSAGE} and queue_mails.lane_group = k.k4 and queue_mails.dispatched_at is null returning queue_mails.delivery_id`
  const rows = mails.map(({ ref, from, to, isFresh }) => [ref.account, ref.deliveryId, ref.deliveryMonth, from, to, isFresh ? 1 : 0])
  await db.inKeys(sql, { types: ['int', 'text', 'int', 'int', 'int', 'int'], rows })
}

const DELETE_MESSAGES = `delete from queue_mails where (account_id, delivery_id, delivery_month) in (select k.k1, k.k2, k.k3 from {keys} k)`

/** Removes messages, and the bodies that no message needs any more. Returns how many messages existed. Idempotent. */
export async function removeQueuedMessagesForOperator(db: Database, refs: readonly QueuedMessageRef[]): Promise<number> {
  const removed = (await db.inKeys(`${DELETE_MESSAGES} returning account_id, body_id`, messageKeys(refs))).map(readBodyUse)
  await removeUnneededBodies(db, removed)
  return removed.length
}

/** A message whose last attempt has ended. `dispatchedAt` is the mark of that attempt. */
type AttemptedMessage = QueuedMessageRef & { readonly dispatchedAt: number }

/**
 * Removes messages whose attempt has ended, and returns them: the caller removes their bodies in the same transaction (`removeUnneededBodies`). A message that another node has marked
 * meanwhile stays: that node records the outcome of its own attempt.
 */
export async function removeAttemptedMessagesForOperator(db: Database, mails: readonly AttemptedMessage[]): Promise<readonly BodyUse[]> {
  const sql = `${DELETE_MESSAGES} and (dispatched_at is null
      or (account_id, delivery_id, delivery_month, dispatched_at) in (select k.k1, k.k2, k.k3, k.k4 from {keys} k))
    returning account_id, body_id`
  const rows = mails.map(({ account, deliveryId, deliveryMonth, dispatchedAt }) => [account, deliveryId, deliveryMonth, dispatchedAt])
  return (await db.inKeys(sql, { types: ['int', 'text', 'int', 'int'], rows })).map(readBodyUse)
}

/** Whether some groups have messages that no node has taken, and feedback. */
export async function findPendingWorkForOperator(
  reader: DatabaseReader,
  groups: HeldGroups,
): Promise<{ readonly hasNewMessages: boolean; readonly hasFeedback: boolean }> {
  const row = await reader.one(`select
    case when exists (select 1 from queue_mails q where q.fresh = 1 and ${inGroupsSql(groups)}) then 1 else 0 end as fresh,
    case when exists (select 1 from queue_reports r where ${inGroupsSql(groups)})
      or exists (select 1 from queue_late_results l where ${inGroupsSql(groups)}) then 1 else 0 end as reports`)
  return { hasNewMessages: Number(row?.['fresh']) === 1, hasFeedback: Number(row?.['reports']) === 1 }
}

/** Reads some queued messages, in no order. A message that is no longer queued is left out. */
export async function findQueuedMessagesForOperator(
  reader: DatabaseReader,
  refs: readonly QueuedMessageRef[],
): Promise<readonly QueuedMessageSummary[]> {
  const sql = `select ${MESSAGE_SUMMARIES.columns('queue_mails')} from {keys} k cross join queue_mails where queue_mails.${SAME_MESSAGE}`
  return (await reader.inKeys(sql, messageKeys(refs))).map(MESSAGE_SUMMARIES.decode)
}

/** Those messages that are in the queue, by delivery id. */
export async function findQueuedDeliveryIdsForOperator(
  reader: DatabaseReader,
  refs: readonly QueuedMessageRef[],
): Promise<ReadonlySet<string>> {
  const sql = `select queue_mails.delivery_id from {keys} k cross join queue_mails where queue_mails.${SAME_MESSAGE}`
  return new Set((await reader.inKeys(sql, messageKeys(refs))).map((row) => String(row['delivery_id'])))
}

/** Counts the queued messages of all accounts. */
export async function countQueuedMessagesForOperator(reader: DatabaseReader): Promise<number> {
  return Number((await reader.one('select count(*) as n from queue_mails'))?.['n'] ?? 0)
}

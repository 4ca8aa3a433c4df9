/**
 * queued-bodies - the body that the queued messages of one request share
 *
 * A body counts its messages and is removed with the last one. See also: store/queue/queued-mail (the messages).
 */
import { decompressBytes } from '../engine/compression.ts'
import type { Database, DatabaseReader, KeyTuples } from '../engine/engine.ts'
import { compressedColumn, createTableMapping, integerColumn, textColumn } from '../engine/mapping.ts'
import type { SqlRow } from '../engine/value.ts'

/** What a request sends (compose/composition, as JSON), for all of its messages. `bodyId` is unique in its account. */
export type QueuedBody = { readonly bodyId: string; readonly content: string; readonly createdAt: number }

type QueuedBodyRow = {
  readonly account: number
  readonly bodyId: string
  readonly content: Uint8Array
  readonly mails: number
  readonly createdAt: number
}

export const QUEUED_BODIES = createTableMapping<QueuedBodyRow>('queue_bodies', ['account_id', 'body_id'], {
  account: integerColumn('account_id'),
  bodyId: textColumn('body_id', 'none'),
  content: compressedColumn('content', 'composition'),
  mails: integerColumn('mails'),
  createdAt: integerColumn('created_at'),
})

/** Adds a body, or the messages of another call to it. */
export async function addQueuedBody(db: Database, account: number, body: QueuedBody, mails: number): Promise<void> {
  const row = { account, bodyId: body.bodyId, content: Buffer.from(body.content), mails, createdAt: body.createdAt }
  await db.upsertMany(QUEUED_BODIES, [row], { addColumns: ['mails'], keepColumns: ['content', 'created_at'] })
}

/** A message that needed a body. */
export type BodyUse = Pick<QueuedBodyRow, 'account' | 'bodyId'>

/** Removes the bodies that only these removed messages needed. */
export async function removeUnneededBodies(db: Database, removed: readonly BodyUse[]): Promise<void> {
  const uses = Map.groupBy(removed, ({ account, bodyId }) => `${account} ${bodyId}`)
  const rows = [...uses.values()].flatMap(([use, ...others]) => (use === undefined ? [] : [[use.account, use.bodyId, others.length + 1]]))
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
}

/** Reads a row that has the two columns. */
export const readBodyUse = (row: SqlRow): BodyUse => ({ account: Number(row['account_id']), bodyId: String(row['body_id']) })

/** By account, then by body: locks are taken in one order everywhere. */
const compareKeys = (a: KeyTuples['rows'][number], b: KeyTuples['rows'][number]): number =>
  Number(a[0]) - Number(b[0]) || (String(a[1]) < String(b[1]) ? -1 : 1)

/** Reads the composition of a body as JSON, or null if no message needs it any more. */
export async function findQueuedBody(reader: DatabaseReader, account: number, bodyId: string): Promise<string | null> {
  const sql = `select ${QUEUED_BODIES.columns('b')} from queue_bodies b where b.account_id = $1 and b.body_id = $2`
  const row = await reader.one(sql, [account, bodyId])
  return row === null ? null : (await decompressBytes(QUEUED_BODIES.decode(row).content)).toString()
}

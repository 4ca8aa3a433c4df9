/**
 * backoff-keys - what was learnt of the queue's keys, so that a restart forgets nothing; and what came back later about its mail
 *
 * One row an episode or gate, each as the JSON that queue/snapshot gives. Reports wait here until the node that delivers has heard of
 * them, whichever node received them.
 *
 * See also: queue/snapshot, service/deliver/deliverer.
 */
import type { Db, Reader } from '../engine/engine.ts'
import { int, shapeOf, text, uuid, word } from '../engine/mapping.ts'

/** `name` tells the rows of one key apart: the class of an episode, or `gate`. */
export type KeyRow = { readonly key: string; readonly name: string; readonly data: string }

export const QUEUE_KEYS = shapeOf<KeyRow>('queue_keys', ['key', 'name'], { key: text('key'), name: text('name'), data: text('data') })

/** All of them, in the order of their keys. */
export async function listKeysForOperator(reader: Reader): Promise<readonly KeyRow[]> {
  return (await reader.all(`select ${QUEUE_KEYS.columns('k')} from queue_keys k order by k.key, k.name`)).map(QUEUE_KEYS.decode)
}

/** Writes rows over what was there, and removes those that stand for nothing any more. */
export async function saveKeysForOperator(db: Db, rows: readonly KeyRow[], gone: readonly Pick<KeyRow, 'key' | 'name'>[]): Promise<void> {
  const keys = { types: ['text', 'text'], rows: gone.map(({ key, name }) => [key, name]) } as const
  await Promise.all([
    db.upsertMany(QUEUE_KEYS, rows),
    db.inKeys('delete from queue_keys where (key, name) in (select k.k1, k.k2 from {keys} k)', keys),
  ])
}

/** An asynchronous bounce or a complaint; `id` is that of its fact. */
export type QueueReport = { readonly account: number; readonly id: string; readonly kind: 'not-exist' | 'complaint'; readonly at: number }

export const QUEUE_REPORTS = shapeOf<QueueReport>('queue_reports', ['account_id', 'id'], {
  account: int('account_id'),
  id: uuid('id'),
  kind: word<QueueReport['kind']>('kind'),
  at: int('at'),
})

/** Adds reports; one that is there already is left. */
export async function addReportsForOperator(db: Db, reports: readonly QueueReport[]): Promise<void> {
  await db.insertMany(QUEUE_REPORTS, reports, 'ignore')
}

/** Removes and gives what came, at most `limit`. Run it in a transaction that sees the latest. */
export async function takeReportsForOperator(db: Db, limit: number): Promise<readonly QueueReport[]> {
  const rows = await db.all(
    `delete from queue_reports where (account_id, id) in (
       select r.account_id, r.id from queue_reports r order by r.at, r.account_id, r.id limit $1
     ) returning account_id, id, kind, at`,
    [limit],
  )
  return rows.map(QUEUE_REPORTS.decode)
}

/** Removes reports that no node has heard of since a moment, at most `limit`; how many went. */
export async function removeOldReportsForOperator(db: Db, before: number, limit: number): Promise<number> {
  const key = 'account_id, id'
  return db.run(`delete from queue_reports where (${key}) in (select ${key} from queue_reports where at < $1 limit $2)`, [before, limit])
}

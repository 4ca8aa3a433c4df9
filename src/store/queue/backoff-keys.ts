/**
 * backoff-keys - the state of the backoff keys, so that a restart forgets nothing, and feedback about delivered messages
 *
 * One row for each episode or key state, as the JSON of queue/snapshot. Feedback waits here until the delivering node has read it,
 * whichever node received it.
 *
 * See also: queue/snapshot, service/deliver/key-persistence.
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { integerColumn, createTableMapping, textColumn, uuidColumn, textEnumColumn } from '../engine/mapping.ts'

/** `name` distinguishes the rows of one key: the class of an episode, or `gate`. */
export type BackoffKeyRow = { readonly key: string; readonly name: string; readonly data: string }

export const BACKOFF_KEY_ROWS = createTableMapping<BackoffKeyRow>('queue_keys', ['key', 'name'], {
  key: textColumn('key', 'none'),
  name: textColumn('name', 'none'),
  data: textColumn('data', 'json'),
})

/** Lists all rows, by key. */
export async function listBackoffKeysForOperator(reader: DatabaseReader): Promise<readonly BackoffKeyRow[]> {
  return (await reader.all(`select ${BACKOFF_KEY_ROWS.columns('k')} from queue_keys k order by k.key, k.name`)).map(BACKOFF_KEY_ROWS.decode)
}

/** Inserts or updates rows, and removes rows that are no longer needed. */
export async function saveBackoffKeysForOperator(
  db: Database,
  rows: readonly BackoffKeyRow[],
  removedKeys: readonly Pick<BackoffKeyRow, 'key' | 'name'>[],
): Promise<void> {
  const keys = { types: ['text', 'text'], rows: removedKeys.map(({ key, name }) => [key, name]) } as const
  await Promise.all([
    db.upsertMany(BACKOFF_KEY_ROWS, rows),
    db.inKeys('delete from queue_keys where (key, name) in (select k.k1, k.k2 from {keys} k)', keys),
  ])
}

/** An asynchronous bounce or a complaint. `id` is the id of its fact. */
export type QueuedFeedback = {
  readonly account: number
  readonly id: string
  readonly kind: 'not-exist' | 'complaint'
  readonly at: number
}

export const QUEUED_FEEDBACK = createTableMapping<QueuedFeedback>('queue_reports', ['account_id', 'id'], {
  account: integerColumn('account_id'),
  id: uuidColumn('id'),
  kind: textEnumColumn<QueuedFeedback['kind']>('kind'),
  at: integerColumn('at'),
})

/** Adds feedback. An existing row stays as it is. */
export async function addQueuedFeedbackForOperator(db: Database, feedback: readonly QueuedFeedback[]): Promise<void> {
  await db.insertMany(QUEUED_FEEDBACK, feedback, 'ignore')
}

/** Removes and returns at most `limit` rows. Run it in a transaction with `visibility: 'latest'`. */
export async function takeQueuedFeedbackForOperator(db: Database, limit: number): Promise<readonly QueuedFeedback[]> {
  const rows = await db.all(
    `delete from queue_reports where (account_id, id) in (
       select r.account_id, r.id from queue_reports r order by r.at, r.account_id, r.id limit $1
     ) returning account_id, id, kind, at`,
    [limit],
  )
  return rows.map(QUEUED_FEEDBACK.decode)
}

/** Removes at most `limit` rows that no node has read since a moment. Returns how many. */
export async function removeOldQueuedFeedbackForOperator(db: Database, before: number, limit: number): Promise<number> {
  const key = 'account_id, id'
  return db.run(`delete from queue_reports where (${key}) in (select ${key} from queue_reports where at < $1 limit $2)`, [before, limit])
}

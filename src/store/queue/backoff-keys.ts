/**
 * backoff-keys - the state of the backoff keys, so that a restart forgets nothing, and feedback about delivered messages
 *
 * One row for each episode or key state, as the JSON of queue/snapshot. Feedback waits here until the delivering node has read it,
 * whichever node received it.
 *
 * See also: queue/snapshot, service/deliver/key-persistence.
 */
import type { HeldGroups } from '../../queue/lane-group.ts'
import { inGroupsSql } from './lane-groups.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import {
  integerColumn,
  createTableMapping,
  nullableColumn,
  textColumn,
  uuidColumn,
  uuidToBytes,
  textEnumColumn,
} from '../engine/mapping.ts'

/** `name` distinguishes the rows of one key: the class of an episode, or `gate`. */
export type BackoffKeyRow = {
  readonly key: string
  readonly name: string
  readonly data: string
  /** The group of its site (queue/lane-group); null: stored by an older version. */
  readonly laneGroup: number | null
}

export const BACKOFF_KEY_ROWS = createTableMapping<BackoffKeyRow>('queue_keys', ['key', 'name'], {
  key: textColumn('key', 'none'),
  name: textColumn('name', 'none'),
  data: textColumn('data', 'json'),
  laneGroup: nullableColumn(integerColumn('lane_group')),
})

/** Lists all rows, by key. */
export async function listBackoffKeysForOperator(reader: DatabaseReader): Promise<readonly BackoffKeyRow[]> {
  return (await reader.all(`select ${BACKOFF_KEY_ROWS.columns('k')} from queue_keys k order by k.key, k.name`)).map(BACKOFF_KEY_ROWS.decode)
}

/** Lists the rows of account keys: few, and shared by all groups. */
export async function listAccountKeysForOperator(reader: DatabaseReader): Promise<readonly BackoffKeyRow[]> {
  const sql = `select ${BACKOFF_KEY_ROWS.columns('k')} from queue_keys k where k.key >= 'account|' and k.key < 'account}' order by k.key, k.name`
  return (await reader.all(sql)).map(BACKOFF_KEY_ROWS.decode)
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
  /** The group of the site that the message went to. */
  readonly laneGroup: number
}

export const QUEUED_FEEDBACK = createTableMapping<QueuedFeedback>('queue_reports', ['account_id', 'id'], {
  account: integerColumn('account_id'),
  id: uuidColumn('id'),
  kind: textEnumColumn<QueuedFeedback['kind']>('kind'),
  at: integerColumn('at'),
  laneGroup: integerColumn('lane_group'),
})

/** Adds feedback. An existing row stays as it is. */
export async function addQueuedFeedbackForOperator(db: Database, feedback: readonly QueuedFeedback[]): Promise<void> {
  await db.insertMany(QUEUED_FEEDBACK, feedback, 'ignore')
}

/** Lists at most `limit` rows of some groups, oldest first. */
export async function listQueuedFeedbackForOperator(
  reader: DatabaseReader,
  groups: HeldGroups,
  limit: number,
): Promise<readonly QueuedFeedback[]> {
  const sql = `select ${QUEUED_FEEDBACK.columns('r')} from queue_reports r where ${inGroupsSql(groups)} order by r.at, r.account_id, r.id limit $1`
  return (await reader.all(sql, [limit])).map(QUEUED_FEEDBACK.decode)
}

/** Removes rows. Idempotent. */
export async function removeQueuedFeedbackForOperator(db: Database, rows: readonly QueuedFeedback[]): Promise<void> {
  const keys = { types: ['int', 'bytes'], rows: rows.map(({ account, id }) => [account, uuidToBytes(id)]) } as const
  await db.inKeys('delete from queue_reports where (account_id, id) in (select k.k1, k.k2 from {keys} k)', keys)
}

/** Removes at most `limit` rows that no node has read since a moment. Returns how many. */
export async function removeOldQueuedFeedbackForOperator(db: Database, before: number, limit: number): Promise<number> {
  const key = 'account_id, id'
  return db.run(`delete from queue_reports where (${key}) in (select ${key} from queue_reports where at < $1 limit $2)`, [before, limit])
}

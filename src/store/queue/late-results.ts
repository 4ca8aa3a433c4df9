/**
 * late-results - results of attempts that ended after another node had taken their lane group, so that its backoff keys learn them
 *
 * The node that made the attempt writes the row with the outcome; the holder of the group reads it with its next poll, and removes it when it has stored what
 * followed. Rows are few: the attempts that were in
 * flight when a group moved or a node was silent.
 *
 * See also: queue/backoff/late-result (what the holder does with it), service/deliver/late-feedback.
 */
import type { HeldGroups } from '../../queue/lane-group.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { createTableMapping, integerColumn, textColumn } from '../engine/mapping.ts'
import { inGroupsSql } from './lane-groups.ts'

export type LateResultRow = {
  readonly account: number
  readonly deliveryId: string
  readonly dispatchedAt: number
  /** The group of the site that the attempt went to. */
  readonly laneGroup: number
  /** The destination and the result, as JSON. */
  readonly data: string
}

export const LATE_RESULTS = createTableMapping<LateResultRow>('queue_late_results', ['account_id', 'delivery_id', 'dispatched_at'], {
  account: integerColumn('account_id'),
  deliveryId: textColumn('delivery_id', 'none'),
  dispatchedAt: integerColumn('dispatched_at'),
  laneGroup: integerColumn('lane_group'),
  data: textColumn('data', 'json'),
})

/** Adds results. An existing row stays as it is. */
export async function addLateResultsForOperator(db: Database, rows: readonly LateResultRow[]): Promise<void> {
  await db.insertMany(LATE_RESULTS, rows, 'ignore')
}

/** Lists at most `limit` rows of some groups, oldest first. */
export async function listLateResultsForOperator(
  reader: DatabaseReader,
  groups: HeldGroups,
  limit: number,
): Promise<readonly LateResultRow[]> {
  const sql = `select ${LATE_RESULTS.columns('l')} from queue_late_results l where ${inGroupsSql(groups)}
    order by l.dispatched_at, l.account_id, l.delivery_id limit $1`
  return (await reader.all(sql, [limit])).map(LATE_RESULTS.decode)
}

/** Removes rows. Idempotent. */
export async function removeLateResultsForOperator(db: Database, rows: readonly LateResultRow[]): Promise<void> {
  const sql = 'delete from queue_late_results where (account_id, delivery_id, dispatched_at) in (select k.k1, k.k2, k.k3 from {keys} k)'
  const keys = rows.map(({ account, deliveryId, dispatchedAt }) => [account, deliveryId, dispatchedAt])
  await db.inKeys(sql, { types: ['int', 'text', 'int'], rows: keys })
}

/** Removes rows that no node has taken, of attempts that began before a moment. Returns how many. */
export async function removeOldLateResultsForOperator(db: Database, before: number): Promise<number> {
  return db.run('delete from queue_late_results where dispatched_at < $1', [before])
}

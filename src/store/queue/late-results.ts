/**
 * late-results - results of attempts that ended after another node had taken their lane group, so that its backoff keys learn them
 *
 * The node that made the attempt writes the row with the outcome; the holder of the group takes it with its next poll. Rows are few: the attempts that were in
 * flight when a group moved or a node was silent.
 *
 * See also: queue/backoff/late-result (what the holder does with it), service/deliver/late-feedback.
 */
import type { HeldGroups } from '../../queue/lane-group.ts'
import type { Database } from '../engine/engine.ts'
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

/** Removes and returns at most `limit` rows of some groups, oldest first. Run it in a transaction with `visibility: 'latest'`. */
export async function takeLateResultsForOperator(db: Database, groups: HeldGroups, limit: number): Promise<readonly LateResultRow[]> {
  const key = 'account_id, delivery_id, dispatched_at'
  const rows = await db.all(
    `delete from queue_late_results where (${key}) in (
       select ${key} from queue_late_results where ${inGroupsSql(groups)} order by dispatched_at, account_id, delivery_id limit $1
     ) returning ${key}, lane_group, data`,
    [limit],
  )
  return rows.map(LATE_RESULTS.decode).toSorted((a, b) => a.dispatchedAt - b.dispatchedAt)
}

/** Removes rows that no node has taken, of attempts that began before a moment. Returns how many. */
export async function removeOldLateResultsForOperator(db: Database, before: number): Promise<number> {
  return db.run('delete from queue_late_results where dispatched_at < $1', [before])
}

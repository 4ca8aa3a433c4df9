/**
 * watch-counters - counts by the quarter-hour in which an event became known, for alerts
 *
 * Sums of deltas in slots, as in store/facts/counters. See also: ledger/project/watch-counts.
 */
import type { WatchCount, WatchMetric } from '../../ledger/project/watch-counts.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { integerColumn, createTableMapping, textColumn, textEnumColumn } from '../engine/mapping.ts'

type StoredWatchCount = WatchCount & { readonly slot: number }

export const WATCH_COUNTERS = createTableMapping<StoredWatchCount>('watch_counters', ['account_id', 'quarter', 'metric', 'name', 'slot'], {
  account: integerColumn('account_id'),
  quarter: integerColumn('quarter'),
  metric: textEnumColumn<WatchMetric>('metric'),
  name: textColumn('name', 'none'),
  slot: integerColumn('slot'),
  n: integerColumn('n'),
})

/** Adds counts. Their keys must differ. */
export async function addWatchCounts(db: Database, counts: readonly WatchCount[]): Promise<void> {
  const keyOf = ({ account, quarter, metric, name }: WatchCount): string => [account, quarter, metric, name].join('\0')
  const rows = counts.map((count) => ({ ...count, slot: db.counterSlot })).toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  if (rows.length > 0) await db.upsertMany(WATCH_COUNTERS, rows, { addColumns: ['n'] })
}

/** `last`: the latest quarter-hour with a count. */
export type WatchSum = {
  readonly account: number
  readonly metric: string
  readonly name: string
  readonly n: number
  readonly last: number
}

/** Sums the counts since a quarter-hour, by account, metric and name. Sums without rows are left out. */
export async function sumWatchCountsForOperator(
  reader: DatabaseReader,
  metrics: readonly WatchMetric[],
  from: number,
): Promise<readonly WatchSum[]> {
  const sql = `select w.account_id, w.metric, w.name, sum(w.n) as n, max(w.quarter) as last from {keys} k cross join watch_counters w
    where w.quarter >= $1 and w.metric = k.k1 group by w.account_id, w.metric, w.name order by w.account_id, w.metric, w.name`
  const rows = await reader.inKeys(sql, { types: ['text'], rows: metrics.map((metric) => [metric]) }, [from])
  return rows.map((row) => ({
    account: Number(row['account_id']),
    metric: String(row['metric']),
    name: String(row['name']),
    n: Number(row['n']),
    last: Number(row['last']),
  }))
}

/** Removes at most `limit` counts of quarter-hours before a moment. Returns how many. */
export async function removeOldWatchCountsForOperator(db: Database, before: number, limit: number): Promise<number> {
  const key = 'account_id, quarter, metric, name, slot'
  const sql = `delete from watch_counters where (${key}) in (select ${key} from watch_counters where quarter < $1 order by quarter limit $2)`
  return db.run(sql, [before, limit])
}

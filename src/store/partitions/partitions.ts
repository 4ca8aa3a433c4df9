/**
 * partitions - the partitions of a PostgreSQL store: listed, and made ahead of time
 *
 * A store that is not partitioned (SQLite, or one that was not converted) has none, and every function here does nothing on it. A new
 * partition is made beside its table and then attached, which delays no statement on other partitions. Rows of its month that are in the
 * default partition move with it.
 *
 * See also: store/partitions/partitioned-tables, store/partitions/conversion, store/partitions/short-locks, service/admin/retire-months.
 */
import type { Database, DatabaseReader, Engine } from '../engine/engine.ts'
import {
  boundsOf,
  defaultPartitionName,
  isMonth,
  monthOfPartition,
  monthsAhead,
  monthsQuery,
  PARTITIONED_TABLES,
  partitionName,
  type PartitionedTable,
} from './partitioned-tables.ts'
import { withShortLocks } from './short-locks.ts'

/** One lock for all changes of partitions. */
export const PARTITIONS_LOCK = 'partitions'

/** Lists the months that have a partition, in order. Null: the table is not partitioned. */
export async function listPartitionMonths(reader: DatabaseReader, table: PartitionedTable): Promise<readonly number[] | null> {
  if (reader.kind !== 'postgres') return null
  const sql = `select p.relname as name, i.relname as child from pg_class p left join pg_inherits h on h.inhparent = p.oid
    left join pg_class i on i.oid = h.inhrelid where p.relname = $1 and p.relkind = 'p' and pg_table_is_visible(p.oid)`
  const rows = await reader.all(sql, [table.name])
  if (rows.length === 0) return null
  return rows.flatMap(({ child }) => monthOfPartition(table, String(child)) ?? []).toSorted((a, b) => a - b)
}

/** Makes the partitions of the current and the following months. Returns how many were made. Faults: store_busy. */
export async function createPartitionsAhead(engine: Engine, now: number): Promise<number> {
  return createPartitionsOf(engine, monthsAhead(now))
}

/** The months of the rows of a store of either engine, in order. Reads whole tables. */
export async function listStoredMonthsForOperator(reader: DatabaseReader): Promise<readonly number[]> {
  const months = new Set<number>()
  for (const table of PARTITIONED_TABLES)
    for (const { month } of await reader.all(monthsQuery(reader.kind, table))) if (isMonth(Number(month))) months.add(Number(month))
  return [...months].toSorted((a, b) => a - b)
}

/** Makes the partitions of these months that do not exist, each in a transaction of its own. */
export async function createPartitionsOf(
  engine: Engine,
  months: readonly number[],
  tables: readonly PartitionedTable[] = PARTITIONED_TABLES,
): Promise<number> {
  let made = 0
  for (const table of tables) {
    const existing = await listPartitionMonths(engine.bulkRead, table)
    if (existing === null) continue
    for (const month of months.filter((each) => !existing.includes(each))) {
      const isNew = await withShortLocks(engine, PARTITIONS_LOCK, (db) => createPartition(db, table, month))
      if (isNew) made += 1
    }
  }
  return made
}

async function createPartition(db: Database, table: PartitionedTable, month: number): Promise<boolean> {
  const existing = await listPartitionMonths(db, table)
  if (existing === null || existing.includes(month)) return false
  const [name, fallback] = [partitionName(table, month), defaultPartitionName(table)]
  const [from, to] = boundsOf(table, month)
  await db.run(`create table ${name} (like ${table.name} including all)`)
  // Nobody adds a row of this month to the default partition between the move and the attachment.
  await db.run(`lock table ${fallback} in access exclusive mode`)
  await db.run(
    `with moved as (delete from ${fallback} where ${table.column} >= ${from} and ${table.column} < ${to} returning *)
     insert into ${name} select * from moved`,
  )
  await db.run(`alter table ${table.name} attach partition ${name} for values from (${from}) to (${to})`)
  return true
}

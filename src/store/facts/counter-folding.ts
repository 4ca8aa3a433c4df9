/**
 * counter-folding - sums the slots of old counters into one row each
 *
 * A counter is the sum of its rows, so that folding changes no sum: a reader sees the slots or their sum. Young quarter-hours are left
 * alone, because transactions still add to them. A transaction that adds to a slot while it is folded runs again.
 *
 * See also: store/engine/counter-slots, store/facts/counters, daemon/scheduled-jobs (when it runs).
 */
import type { Database } from '../engine/engine.ts'
import { baseType } from '../engine/table.ts'
import type { TableMapping } from '../engine/mapping.ts'
import type { SqlRow, SqlValue } from '../engine/value.ts'
import { COUNTERS, SITE_COUNTERS } from '../schema.ts'
import { WATCH_COUNTERS } from './watch-counters.ts'

/** Folds at most `limit` rows of each table, in quarter-hours before a moment (epoch ms). Returns how many rows were folded. */
export async function foldCountersForOperator(db: Database, before: number, limit: number): Promise<number> {
  const counts = [
    await foldTable(db, COUNTERS, before, limit),
    await foldTable(db, SITE_COUNTERS, before, limit),
    await foldTable(db, WATCH_COUNTERS, before, limit),
  ]
  return Math.max(...counts)
}

async function foldTable<Row extends { readonly quarter: number; readonly slot: number; readonly n: number }>(
  db: Database,
  mapping: TableMapping<Row>,
  before: number,
  limit: number,
): Promise<number> {
  const { table } = mapping
  const key = table.key.join(', ')
  const sql = `select ${mapping.columns('c')} from ${table.name} c where c.slot <> 0 and c.quarter < $1 order by c.quarter limit $2 {lock c}`
  const rows = (await db.all(sql, [before, limit])).map(mapping.decode)
  if (rows.length === 0) return 0
  const folded = Map.groupBy(rows, (row) => keyText(mapping, { ...row, slot: 0 }))
  const sums = [...folded]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, group]) => group.slice(0, 1).map((row) => ({ ...row, slot: 0, n: group.reduce((sum, { n }) => sum + n, 0) })))
  await db.inKeys(
    // The rows are in the order of their time: its bounds name the partitions.
    `delete from ${table.name} where (${key}) in (select ${table.key.map((_, i) => `k.k${i + 1}`).join(', ')} from {keys} k)
     and quarter >= $1 and quarter <= $2`,
    {
      types: table.key.map((name) => baseType(table.columns[name] ?? 'text')),
      rows: rows.map((row) => keyValues(mapping, row)),
    },
    [rows[0]?.quarter ?? 0, rows.at(-1)?.quarter ?? 0],
  )
  await db.upsertMany(mapping, sums, { addColumns: ['n'] })
  return rows.length
}

function keyValues<Row>(mapping: TableMapping<Row>, row: Row): readonly SqlValue[] {
  const encoded: SqlRow = mapping.encode(row)
  return mapping.table.key.map((name) => encoded[name] ?? null)
}

const keyText = <Row>(mapping: TableMapping<Row>, row: Row): string => keyValues(mapping, row).join('\0')

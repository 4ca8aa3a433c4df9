/**
 * conversion - turns a table of a PostgreSQL store into a partitioned one
 *
 * A table is converted in one transaction: its rows are copied into partitions, its indexes are built again as they were, and the old
 * table is dropped. An interrupted conversion leaves the table as it was, and the tables before it converted. A new store is converted while it
 * is empty, so that it starts partitioned; a store with rows is converted by `bounced migrate partitions`.
 *
 * See also: store/partitions/partitioned-tables, commands/store/migrate-partitions, docs/SCALE.md (how long it takes).
 */
import type { Database, DatabaseReader, Engine } from '../engine/engine.ts'
import {
  boundsOf,
  defaultPartitionName,
  isMonth,
  monthsAhead,
  monthsQuery,
  PARTITIONED_TABLES,
  partitionName,
} from './partitioned-tables.ts'
import type { PartitionedTable } from './partitioned-tables.ts'
import { listPartitionMonths, PARTITIONS_LOCK } from './partitions.ts'

/** The statements that make a table's indexes and constraints again. */
type TableDefinition = { readonly constraints: readonly string[]; readonly indexes: readonly string[] }

/** Converts the tables of a new store, which are empty. Does nothing on SQLite, on a converted store, and where a table has rows. */
export async function partitionNewStore(engine: Engine, now: number): Promise<void> {
  if (engine.kind !== 'postgres') return
  if (!(await isUnusedStore(engine.bulkRead))) return
  await engine.tx(
    async (db) => {
      if (!(await isUnusedStore(db))) return
      for (const table of PARTITIONED_TABLES) await convert(db, table, now)
    },
    { lockName: PARTITIONS_LOCK, isMaintenance: true },
  )
}

/** Whether no table is partitioned and none has a row. */
async function isUnusedStore(reader: DatabaseReader): Promise<boolean> {
  for (const table of PARTITIONED_TABLES) {
    if ((await listPartitionMonths(reader, table)) !== null) return false
    if ((await reader.one(`select 1 as one from ${table.name} limit 1`)) !== null) return false
  }
  return true
}

/** Converts one table of a PostgreSQL store, if it is not converted yet. Returns its number of rows, or null. Faults: store_busy. */
export async function partitionTable(engine: Engine, table: PartitionedTable, now: number): Promise<number | null> {
  return engine.tx(async (db) => convert(db, table, now), { lockName: PARTITIONS_LOCK, isMaintenance: true })
}

async function convert(db: Database, table: PartitionedTable, now: number): Promise<number | null> {
  if ((await listPartitionMonths(db, table)) !== null) return null
  const old = `${table.name}_unpartitioned`
  await db.run(`lock table ${table.name} in access exclusive mode`)
  const definition = await readDefinition(db, table)
  const stored = (await db.all(monthsQuery(db.kind, table))).map(({ month }) => Number(month)).filter(isMonth)
  const months = new Set([...stored, ...monthsAhead(now), ...(table.hasMonthZero ? [0] : [])])
  await db.run(`alter table ${table.name} rename to ${old}`)
  await db.run(`create table ${table.name} (like ${old} including defaults) partition by range (${table.column})`)
  await db.run(`create table ${defaultPartitionName(table)} partition of ${table.name} default`)
  for (const month of [...months].toSorted((a, b) => a - b)) {
    const [from, to] = boundsOf(table, month)
    await db.run(`create table ${partitionName(table, month)} partition of ${table.name} for values from (${from}) to (${to})`)
  }
  const rows = await db.run(`insert into ${table.name} select * from ${old}`)
  // Frees the names of its indexes.
  await db.run(`drop table ${old}`)
  for (const statement of [...definition.constraints, ...definition.indexes]) await db.run(statement)
  await db.run(`analyze ${table.name}`)
  return rows
}

async function readDefinition(db: Database, { name }: PartitionedTable): Promise<TableDefinition> {
  const constraints = await db.all(
    `select c.conname as name, pg_get_constraintdef(c.oid) as definition from pg_constraint c
     where c.conrelid = to_regclass($1) and c.contype in ('p', 'u', 'c') order by c.conname`,
    [name],
  )
  const indexes = await db.all(
    `select pg_get_indexdef(i.indexrelid) as definition from pg_index i where i.indrelid = to_regclass($1)
     and not exists (select 1 from pg_constraint c where c.conindid = i.indexrelid) order by i.indexrelid`,
    [name],
  )
  return {
    constraints: constraints.map((row) => `alter table ${name} add constraint ${String(row['name'])} ${String(row['definition'])}`),
    indexes: indexes.map(({ definition }) => String(definition)),
  }
}

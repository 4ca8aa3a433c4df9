/**
 * copy-store - copies every row of one store to another, from SQLite to PostgreSQL or back
 *
 * Copies in pages in the order of the primary keys. A row that the target has is left alone, so that an interrupted copy goes on where it ended. Leases and
 * snapshots of lanes belong to running nodes and are not copied.
 *
 * See also: commands/store/migrate, store/tables, docs/BACKUP.md.
 */
import type { Database, DatabaseReader, Engine } from '../engine/engine.ts'
import { LEASES } from '../engine/lease.ts'
import { LANE_GROUP_ROWS } from '../queue/lane-groups.ts'
import { type ColumnMapping, createTableMapping, type TableMapping } from '../engine/mapping.ts'
import { APPLIED_MIGRATIONS } from '../engine/migrate.ts'
import type { Table } from '../engine/table.ts'
import { normalizeValue, type SqlRow, type SqlValue } from '../engine/value.ts'
import { listRowsForOperator } from '../facts/rebuild.ts'
import { LANE_SNAPSHOTS } from '../queue/lane-snapshots.ts'
import { TABLES } from '../tables.ts'

/** Metadata of the target while the copy is not complete: identifies the master key of the source. A daemon does not start on such a store. */
export const COPY_SOURCE = 'copy-of'

/** One table after its last page. */
type CopiedTable = { readonly name: string; readonly rows: number; readonly inTarget: number }

type CopyOptions = {
  readonly onProgress: (table: string, rows: number, total: number) => void
  readonly signal: AbortSignal
}

const SKIPPED = new Set([LEASES, LANE_GROUP_ROWS, APPLIED_MIGRATIONS, LANE_SNAPSHOTS].map(({ table }) => table.name))

/** Large rows (mails, bodies) are few in a page, so that a page stays below some ten megabytes. */
const PAGE_ROWS = 2_000
const PAGE_ROWS_WITH_BYTES = 50

/** The tables that are copied, in order. */
export const COPIED_TABLES: readonly Table[] = TABLES.filter(({ name }) => !SKIPPED.has(name))

/** Copies one table, and counts its rows in both stores. Faults: store_busy. */
export async function copyTable(source: Engine, target: Engine, table: Table, { onProgress, signal }: CopyOptions): Promise<CopiedTable> {
  const mapping = rawMapping(table)
  const total = await countRows(source.bulkRead, table)
  const pageRows = table.compressedPositions.length > 0 ? PAGE_ROWS_WITH_BYTES : PAGE_ROWS
  let rows = 0
  for (let after: SqlRow | null = null; ;) {
    signal.throwIfAborted()
    const page: readonly SqlRow[] = await listRowsForOperator(source.bulkRead, mapping, after, pageRows)
    if (page.length > 0) await target.tx((db: Database) => db.insertMany(mapping, page, 'ignore'), { isMaintenance: true })
    rows += page.length
    onProgress(table.name, rows, total)
    after = page.at(-1) ?? null
    if (page.length < pageRows) break
  }
  return { name: table.name, rows: await countRows(source.bulkRead, table), inTarget: await countRows(target.bulkRead, table) }
}

async function countRows(reader: DatabaseReader, { name }: Table): Promise<number> {
  return Number((await reader.one(`select count(*) as n from ${name}`))?.['n'] ?? 0)
}

/** Rows as they are stored: compressed bytes stay compressed. */
function rawMapping({ name, columns, personalData, key }: Table): TableMapping<SqlRow> {
  const fields = Object.entries(columns).map(([column, type]): readonly [string, ColumnMapping<SqlValue>] => [
    column,
    { column, type, personalData: personalData[column] ?? 'none', encode: normalizeValue, decode: (value) => value },
  ])
  return createTableMapping<SqlRow>(name, key, Object.fromEntries(fields))
}

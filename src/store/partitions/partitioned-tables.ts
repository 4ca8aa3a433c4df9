/**
 * partitioned-tables - the tables that PostgreSQL keeps in partitions by time, and the ranges of their partitions
 *
 * These tables are most of a store. Each period has a partition of each table, so that retention drops a period instead of deleting its
 * rows, and so that the indexes in use stay small. Facts of no delivery have month 0. A row whose period has no partition goes to the
 * default partition, so that no mail depends on a partition. Other tables are narrow, or their rows are kept for ever. SQLite has no
 * partitions.
 *
 * Pure. See also: store/partitions/partitions, store/partitions/conversion, docs/SCALE.md.
 */
import { monthOf } from '../../correlate/delivery-id.ts'
import type { EngineKind } from '../engine/engine.ts'

export type PartitionedTable = {
  readonly name: 'deliveries' | 'events' | 'reports' | 'counters' | 'site_counters'
  /** Decides the partition of a row. Each unique key of the table contains it. */
  readonly column: 'delivery_month' | 'received_at' | 'quarter'
  /** What the column holds: a month as yyyymm, or a time (epoch ms). */
  readonly holds: 'month' | 'time'
  /** Partitions beside those of the months: month 0, which no month ever drops. */
  readonly hasMonthZero: boolean
}

/** In the order in which every transaction locks them. */
export const PARTITIONED_TABLES: readonly PartitionedTable[] = [
  { name: 'deliveries', column: 'delivery_month', holds: 'month', hasMonthZero: false },
  { name: 'events', column: 'delivery_month', holds: 'month', hasMonthZero: true },
  // A digest is unique in all months by store/mail/report-digests.
  { name: 'reports', column: 'received_at', holds: 'time', hasMonthZero: false },
  // The quarter-hour of a counter.
  { name: 'counters', column: 'quarter', holds: 'time', hasMonthZero: false },
  { name: 'site_counters', column: 'quarter', holds: 'time', hasMonthZero: false },
]

/** The table of this name. */
export function partitionedTable(name: PartitionedTable['name']): PartitionedTable {
  const table = PARTITIONED_TABLES.find((each) => each.name === name)
  if (table === undefined) throw new Error(`${name} is not partitioned`)
  return table
}

/** Partitions exist this many months ahead, so that a job that fails for weeks causes nothing. */
const MONTHS_AHEAD = 2

/** The month that follows a month. */
const nextMonth = (month: number): number => (month % 100 === 12 ? month + 89 : month + 1)

/** The moment at which a month begins (epoch ms). */
const startOfMonth = (month: number): number => Date.UTC(Math.floor(month / 100), (month % 100) - 1, 1)

/** The moments in a month: [from, to), epoch ms. */
export const windowOf = (month: number): { readonly from: number; readonly to: number } => ({
  from: startOfMonth(month),
  to: endOfMonth(month),
})

/** The moment at which a month ends (epoch ms). */
export const endOfMonth = (month: number): number => startOfMonth(nextMonth(month))

/** The current month and those that must have a partition ahead of time. */
export function monthsAhead(now: number): readonly number[] {
  const months = [monthOf(now)]
  while (months.length <= MONTHS_AHEAD) months.push(nextMonth(months.at(-1) ?? 0))
  return months
}

export const partitionName = ({ name }: PartitionedTable, month: number): string => `${name}_${month}`

export const defaultPartitionName = ({ name }: PartitionedTable): string => `${name}_default`

/** The month of a partition by its name; null for the default partition and for tables of others. */
export function monthOfPartition(table: PartitionedTable, name: string): number | null {
  const [, month] = /^[a-z_]+_(\d{1,6})$/.exec(name) ?? []
  return month !== undefined && name === partitionName(table, Number(month)) ? Number(month) : null
}

/** The first value of a month, and the first one behind it. Month 0 stands alone. */
export function boundsOf({ holds }: PartitionedTable, month: number): readonly [number, number] {
  if (holds === 'time') return [startOfMonth(month), endOfMonth(month)]
  return [month, month === 0 ? 1 : nextMonth(month)]
}

/** A query for the different months of the rows of a table. Reads the whole table. */
export function monthsQuery(kind: EngineKind, { name, column, holds }: PartitionedTable): string {
  const ofTime = {
    sqlite: `cast(strftime('%Y%m', t.${column} / 1000, 'unixepoch') as integer)`,
    postgres: `to_char(to_timestamp(t.${column} / 1000) at time zone 'UTC', 'YYYYMM')::bigint`,
  }
  return `select distinct ${holds === 'time' ? ofTime[kind] : `t.${column}`} as month from ${name} t`
}

/** Whether a row can belong to the month: a wrong clock may have written any time, and such rows stay in the default partition. */
export const isMonth = (month: number): boolean => month >= 197_001 && month <= 999_912

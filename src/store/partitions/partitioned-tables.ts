/**
 * partitioned-tables - the tables that PostgreSQL keeps in partitions by month, and the ranges of their partitions
 *
 * Deliveries and their facts are most of a store. Each month has a partition of each table, so that retention drops a month instead of
 * deleting its rows, and so that the indexes in use stay as small as a month. Facts of no delivery have month 0. A row whose month has no
 * partition goes to the default partition, so that no mail depends on a partition. Other tables are narrow, or their rows are found by a
 * digest of any time. SQLite has no partitions.
 *
 * Pure. See also: store/partitions/partitions, store/partitions/conversion, docs/SCALE.md.
 */
import { monthOf } from '../../correlate/delivery-id.ts'

export type PartitionedTable = {
  readonly name: 'deliveries' | 'events'
  /** The column with the month as yyyymm. Each unique key of the table contains it. */
  readonly column: 'delivery_month'
  /** Partitions beside those of the months: month 0, which no month ever drops. */
  readonly hasMonthZero: boolean
}

/** In the order in which every transaction locks them. */
export const PARTITIONED_TABLES: readonly PartitionedTable[] = [
  { name: 'deliveries', column: 'delivery_month', hasMonthZero: false },
  { name: 'events', column: 'delivery_month', hasMonthZero: true },
]

/** Partitions exist this many months ahead, so that a job that fails for weeks causes nothing. */
const MONTHS_AHEAD = 2

/** The month that follows a month. */
const nextMonth = (month: number): number => (month % 100 === 12 ? month + 89 : month + 1)

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
  const [, month] = /^[a-z]+_(\d{1,6})$/.exec(name) ?? []
  return month !== undefined && name === partitionName(table, Number(month)) ? Number(month) : null
}

/** The bounds of a partition: from its month to the next one. Month 0 stands alone. */
export const rangeOf = (month: number): string => `from (${month}) to (${month === 0 ? 1 : nextMonth(month)})`

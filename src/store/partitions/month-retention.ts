/**
 * month-retention - removes a whole month of a partitioned store
 *
 * See also: service/admin/retire-months (the procedure), store/partitions/short-locks (the transactions that drop), store/facts/retention (the
 * same row by row), store/facts/retired-deliveries.
 */
import { monthOf } from '../../correlate/delivery-id.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { RETIRED_DELIVERIES } from '../facts/retired-deliveries.ts'
import { endOfMonth, partitionedTable, partitionName, type PartitionedTable } from './partitioned-tables.ts'
import { listPartitionMonths } from './partitions.ts'

/** The tables whose rows belong to a delivery of the month. */
const DELIVERY_TABLES = [partitionedTable('deliveries'), partitionedTable('events')] as const

export type DeliveryKey = { readonly account: number; readonly deliveryId: string }

/** Lists the months before a moment that have a partition, oldest first. Month 0 is never one of them. */
export async function listOldMonths(reader: DatabaseReader, before: number): Promise<readonly number[]> {
  const months = await Promise.all(DELIVERY_TABLES.map((table) => listPartitionMonths(reader, table)))
  const known = new Set(months.flatMap((each) => each ?? []))
  return [...known].filter((month) => month > 0 && month < monthOf(before)).toSorted((a, b) => a - b)
}

/** Whether a delivery of the month was requested at or after a moment: its id may be older than its registration. */
export async function hasYoungDelivery(reader: DatabaseReader, month: number, before: number): Promise<boolean> {
  const sql = 'select 1 as one from deliveries d where d.delivery_month = $1 and d.requested_at >= $2 limit 1'
  return (await reader.one(sql, [month, before])) !== null
}

/** Lists deliveries of the month whose outcome came at or after a moment. */
export async function listLateOutcomes(
  reader: DatabaseReader,
  { month, since, limit }: { readonly month: number; readonly since: number; readonly limit: number },
): Promise<readonly DeliveryKey[]> {
  const sql = `select d.account_id, d.delivery_id from deliveries d where d.delivery_month = $1 and d.status <> 18 and d.status_at >= $2
    order by d.status_at, d.account_id, d.delivery_id limit $3`
  return (await reader.all(sql, [month, since, limit])).map(toKey)
}

/** Copies what the tokens of one page of deliveries need. Returns where the next page begins, or null after the last one. */
export async function keepRemains(
  db: Database,
  page: { readonly month: number; readonly from: DeliveryKey; readonly firstValidId: string; readonly limit: number },
): Promise<DeliveryKey | null> {
  const after = [page.month, page.from.account, page.from.deliveryId] as const
  const isAfter = 'd.delivery_month = $1 and (d.account_id, d.delivery_id) > ($2, $3)'
  const edgeSql = `select d.account_id, d.delivery_id from deliveries d where ${isAfter} order by d.account_id, d.delivery_id limit 1 offset $4`
  const edge = await db.one(edgeSql, [...after, page.limit - 1])
  const columns = Object.keys(RETIRED_DELIVERIES.table.columns)
  const source = `from deliveries d where ${isAfter} and d.address_hash is not null and d.registered = 1 and d.delivery_id >= $4`
  const upTo = edge === null ? [] : [Number(edge['account_id']), String(edge['delivery_id'])]
  const isInPage = edge === null ? '' : ' and (d.account_id, d.delivery_id) <= ($5, $6)'
  await db.run(
    `insert into retired_deliveries (${columns.join(', ')}) select ${columns.map((name) => `d.${name}`).join(', ')} ${source}${isInPage}
     on conflict do nothing`,
    [...after, page.firstValidId, ...upTo],
  )
  return edge === null ? null : toKey(edge)
}

/**
 * Drops the partitions of a month of deliveries, and returns how many rows they had. Null, and nothing is dropped, if a row must be removed
 * otherwise. Faults: store_busy.
 */
export async function dropMonth(
  db: Database,
  month: number,
  before: number,
): Promise<{ readonly deliveries: number; readonly facts: number } | null> {
  const dropped: string[] = []
  for (const table of DELIVERY_TABLES)
    if ((await listPartitionMonths(db, table))?.includes(month) === true) dropped.push(partitionName(table, month))
  if (dropped.length === 0) return null
  // Nobody adds a row to this month while it is counted; other months are not affected.
  await db.run(`lock table ${dropped.join(', ')} in share row exclusive mode`)
  if (await hasYoungDelivery(db, month, before)) return null
  if ((await listLateOutcomes(db, { month, since: before, limit: 1 })).length > 0) return null
  const countRows = async (table: string): Promise<number> =>
    Number((await db.one(`select count(*) as n from ${table} t where t.delivery_month = $1`, [month]))?.['n'] ?? 0)
  const counts = { deliveries: await countRows('deliveries'), facts: await countRows('events') }
  await db.run(`drop table ${dropped.join(', ')}`)
  return counts
}

/** Lists the months of one table that ended at or before a moment and have a partition, oldest first. */
export async function listEndedMonths(reader: DatabaseReader, table: PartitionedTable, before: number): Promise<readonly number[]> {
  return ((await listPartitionMonths(reader, table)) ?? []).filter((month) => month > 0 && endOfMonth(month) <= before)
}

/**
 * Drops one partition, if it exists and `isFree` permits it: nobody adds a row to it after that question. Run it under a lock that all who drop
 * take. Faults: store_busy.
 */
export async function dropPartition(
  db: Database,
  { table, month, isFree }: { readonly table: PartitionedTable; readonly month: number; readonly isFree: () => Promise<boolean> },
): Promise<void> {
  if ((await listPartitionMonths(db, table))?.includes(month) !== true) return
  await db.run(`lock table ${partitionName(table, month)} in share row exclusive mode`)
  if (await isFree()) await db.run(`drop table ${partitionName(table, month)}`)
}

const toKey = (row: Readonly<Record<string, unknown>>): DeliveryKey => ({
  account: Number(row['account_id']),
  deliveryId: String(row['delivery_id']),
})

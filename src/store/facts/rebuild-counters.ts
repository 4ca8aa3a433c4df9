/**
 * rebuild-counters - deliveries and stored counters of one time window, to compare them with each other
 *
 * Account counters belong to the time of the request, site counters to that of the outcome. Windows begin and end on quarter-hours.
 *
 * See also: service/admin/rebuild-counters, ledger/project/counters (what a delivery counts for).
 */
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { DatabaseReader } from '../engine/engine.ts'
import { DELIVERIES } from '../mail/delivery-columns.ts'
import { COUNTERS, SITE_COUNTERS, type StoredCounter, type StoredSiteCounter } from '../schema.ts'

/** [from, to), epoch ms. */
export type TimeWindow = { readonly from: number; readonly to: number }

/** The deliveries that counters of one kind count. `account` null: the counters of sites, over all accounts. */
export type CounterScope = { readonly account: number | null }

const timeColumnOf = ({ account }: CounterScope): string => (account === null ? 'd.status_at' : 'd.requested_at')
const filterOf = ({ account }: CounterScope): string => (account === null ? 'd.status <> 18 and $1 = 0' : 'd.account_id = $1')
const parameterOf = ({ account }: CounterScope): number => account ?? 0

/** The earliest moment from `from` on that a delivery or a counter of this scope belongs to. Null: there is none. */
export async function findNextCountedMomentForOperator(reader: DatabaseReader, scope: CounterScope, from: number): Promise<number | null> {
  const time = timeColumnOf(scope)
  const deliveries = `select min(${time}) as at from deliveries d where ${filterOf(scope)} and ${time} >= $2`
  const counters =
    scope.account === null
      ? 'select min(c.quarter) as at from site_counters c where $1 = 0 and c.quarter >= $2'
      : 'select min(c.quarter) as at from counters c where c.account_id = $1 and c.quarter >= $2'
  const rows = await Promise.all([deliveries, counters].map((sql) => reader.one(sql, [parameterOf(scope), from])))
  const moments = rows.flatMap((row) => (row?.['at'] === null || row?.['at'] === undefined ? [] : [Number(row['at'])]))
  return moments.length === 0 ? null : Math.min(...moments)
}

/** Whether a window holds more deliveries than `limit`. */
export async function hasMoreDeliveriesForOperator(
  reader: DatabaseReader,
  scope: CounterScope,
  { from, to }: TimeWindow,
  limit: number,
): Promise<boolean> {
  const time = timeColumnOf(scope)
  const sql = `select count(*) as n from (select 1 as one from deliveries d where ${filterOf(scope)} and ${time} >= $2 and ${time} < $3 limit $4) as counted`
  return Number((await reader.one(sql, [parameterOf(scope), from, to, limit + 1]))?.['n'] ?? 0) > limit
}

/** Reads the deliveries of a window by page. Call it in a transaction, so that all pages see one snapshot. */
export async function* pageDeliveriesForOperator(
  reader: DatabaseReader,
  scope: CounterScope,
  { from, to }: TimeWindow,
  pageSize: number,
): AsyncGenerator<readonly DeliveryRow[]> {
  const time = timeColumnOf(scope)
  const order = `${time}, d.account_id, d.delivery_id`
  const sql = `select ${DELIVERIES.columns('d')} from deliveries d where ${filterOf(scope)} and ${time} < $2 and (${order}) > ($3, $4, $5)
    order by ${order} limit $6`
  for (let after: readonly [number, number, string] = [from - 1, Number.MAX_SAFE_INTEGER, '']; ;) {
    const rows = (await reader.all(sql, [parameterOf(scope), to, ...after, pageSize])).map(DELIVERIES.decode)
    yield rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < pageSize) return
    after = [scope.account === null ? last.statusAt : last.requestedAt, last.account, last.deliveryId]
  }
}

/** The counters of an account in a window, summed over their slots. */
export async function sumStoredCounters(
  reader: DatabaseReader,
  account: number,
  { from, to }: TimeWindow,
): Promise<readonly StoredCounter[]> {
  const key = 'account_id, quarter, api_user, label_id, domain, metric'
  const sql = `select ${key}, 0 as slot, sum(c.n) as n from counters c where c.account_id = $1 and c.quarter >= $2 and c.quarter < $3 group by ${key}`
  return (await reader.all(sql, [account, from, to])).map(COUNTERS.decode)
}

/** The counters of all sites in a window, summed over their slots. */
export async function sumStoredSiteCountersForOperator(
  reader: DatabaseReader,
  { from, to }: TimeWindow,
): Promise<readonly StoredSiteCounter[]> {
  const key = 'site, quarter, metric'
  const sql = `select ${key}, 0 as slot, sum(c.n) as n from site_counters c where c.quarter >= $1 and c.quarter < $2 group by ${key}`
  return (await reader.all(sql, [from, to])).map(SITE_COUNTERS.decode)
}

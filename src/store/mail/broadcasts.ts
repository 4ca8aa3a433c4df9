/**
 * broadcasts - the deliveries of one broadcast by result: counted from an index, and listed page by page
 *
 * See also: ledger/project/broadcast-result (the results), http/api/broadcasts.
 */
import type { BroadcastResult } from '../../ledger/project/broadcast-result.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { DatabaseReader } from '../engine/engine.ts'
import { DELIVERIES } from './delivery-columns.ts'

/** Counts the deliveries of a broadcast by result. Results without deliveries are left out. */
export async function countBroadcastResults(
  reader: DatabaseReader,
  account: number,
  broadcast: string,
): Promise<ReadonlyMap<BroadcastResult, number>> {
  const sql = `select d.result as result, count(*) as n from deliveries d where d.account_id = $1 and d.broadcast = $2
    and d.broadcast is not null group by d.result`
  // Checked cast: only our own code writes the column, from the same type.
  return new Map((await reader.all(sql, [account, broadcast])).map((row) => [String(row['result']) as BroadcastResult, Number(row['n'])]))
}

export type BroadcastPage = { readonly result: BroadcastResult | null; readonly after: string | null; readonly limit: number }

/** Lists one page of a broadcast's deliveries in the order of their registration, all or those with one result. */
export async function listBroadcastDeliveries(
  reader: DatabaseReader,
  account: number,
  broadcast: string,
  { result, after, limit }: BroadcastPage,
): Promise<readonly DeliveryRow[]> {
  const sql = `select ${DELIVERIES.columns('d')} from deliveries d where d.account_id = $1 and d.broadcast = $2 and d.broadcast is not null
    and d.delivery_id > $3 ${result === null ? '' : 'and d.result = $5'} order by d.delivery_id limit $4`
  return (await reader.all(sql, [account, broadcast, after ?? '', limit, ...(result === null ? [] : [result])])).map(DELIVERIES.decode)
}

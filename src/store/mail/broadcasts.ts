/**
 * broadcasts - the mails of one broadcast by their results: counted out of the index, and page by page
 *
 * See also: ledger/project/broadcast-result (the view), http/api/broadcasts.
 */
import type { BroadcastResult } from '../../ledger/project/broadcast-result.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { DatabaseReader } from '../engine/engine.ts'
import { DELIVERIES } from './delivery-columns.ts'

/** How many mails of a broadcast stand at each result; what nobody stands at is left out. */
export async function countBroadcastResults(
  reader: DatabaseReader,
  account: number,
  broadcast: string,
): Promise<ReadonlyMap<BroadcastResult, number>> {
  const sql = `select d.result as result, count(*) as n from deliveries d where d.account_id = $1 and d.broadcast = $2
    and d.broadcast is not null group by d.result`
  // The checked door: only our own code writes the column, from the same type.
  return new Map((await reader.all(sql, [account, broadcast])).map((row) => [String(row['result']) as BroadcastResult, Number(row['n'])]))
}

export type BroadcastPage = { readonly result: BroadcastResult | null; readonly after: string | null; readonly limit: number }

/** One page of a broadcast's mails in the order in which they were registered, all or those of one result. */
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

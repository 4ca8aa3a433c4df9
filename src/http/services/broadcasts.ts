/**
 * broadcasts - reads the results of one broadcast
 *
 * See also: http/api/broadcasts, store/mail/broadcasts.
 */
import type { BroadcastResult } from '../../ledger/project/broadcast-result.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { countBroadcastResults, listBroadcastDeliveries, type BroadcastPage } from '../../store/mail/broadcasts.ts'

type BroadcastResults = { readonly counts: ReadonlyMap<BroadcastResult, number>; readonly rows: readonly DeliveryRow[] }

/** Reads the number of deliveries by result, over the whole broadcast, and one page of deliveries. */
export type ReadBroadcastResults = (account: number, broadcast: string, page: BroadcastPage) => Promise<BroadcastResults>

/** Creates the function on a reader. */
export function createReadBroadcastResults(reader: DatabaseReader): ReadBroadcastResults {
  return async (account, broadcast, page) => {
    const [counts, rows] = await Promise.all([
      countBroadcastResults(reader, account, broadcast),
      listBroadcastDeliveries(reader, account, broadcast, page),
    ])
    return { counts, rows }
  }
}

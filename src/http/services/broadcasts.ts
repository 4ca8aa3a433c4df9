/**
 * broadcasts - reads the results of one broadcast
 *
 * See also: http/api/broadcasts, store/mail/broadcasts.
 */
import { copyHandleOf } from '../../correlate/api-handle.ts'
import { Fault } from '../../errors.ts'
import type { BroadcastResult } from '../../ledger/project/broadcast-result.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { countBroadcastResults, listBroadcastDeliveries, type BroadcastPage } from '../../store/mail/broadcasts.ts'
import { findDeliveryIdByCopyHandle } from '../../store/mail/deliveries.ts'
import { INVALID_CURSOR } from '../server/cursor.ts'
import type { WideReader } from './wide-reader.ts'

type BroadcastResults = {
  readonly counts: ReadonlyMap<BroadcastResult, number>
  readonly rows: readonly DeliveryRow[]
  readonly next: string | null
}

/**
 * Reads the number of deliveries by result, over the whole broadcast, and one page of deliveries. `after` is `next` of the page before.
 * Faults: bad_request (the delivery of `after` is unknown).
 */
export type ReadBroadcastResults = (account: number, broadcast: string, page: BroadcastPage) => Promise<BroadcastResults>

/** Creates the function on a reader. It counts a whole broadcast. */
export function createReadBroadcastResults(wideRead: WideReader): ReadBroadcastResults {
  return async (account, broadcast, page) => {
    const reader = wideRead(account)
    const after = page.after === null ? null : await resolveCursor(reader, account, page.after)
    const [counts, rows] = await Promise.all([
      countBroadcastResults(reader, account, broadcast),
      listBroadcastDeliveries(reader, account, broadcast, { ...page, after }),
    ])
    const last = rows.length < page.limit ? undefined : rows.at(-1)
    return { counts, rows, next: last === undefined ? null : (copyHandleOf(last.emailId ?? '') ?? last.deliveryId) }
  }
}

/** A `next` of before is the delivery id itself. */
const DELIVERY_ID_LENGTH = 13

async function resolveCursor(reader: DatabaseReader, account: number, after: string): Promise<string> {
  if (after.length === DELIVERY_ID_LENGTH) return after
  const found = await findDeliveryIdByCopyHandle(reader, account, after)
  if (found === null) throw new Fault('bad_request', `after: ${INVALID_CURSOR}`)
  return found
}

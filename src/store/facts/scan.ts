/**
 * scan - reads a time range in bounded steps, from its start to its end
 *
 * A step reads a fixed number of rows, however few of them pass the filters, so that each is a short read. It returns the matching rows,
 * oldest first, and where the next step begins (null: this was the last step). Steps share no snapshot: each row is as it was when its
 * step read it.
 *
 * See also: service/export/export-kinds (the caller), store/mail/deliveries and store/lists/suppressions (the filters).
 */
import type { ListName } from '../../ledger/facts/list-facts.ts'
import type { SuppressionRow } from '../../ledger/project/state.ts'
import { createDeliveryFilter } from '../mail/deliveries.ts'
import type { DeliveryCursor, DeliveryFilters } from '../mail/deliveries.ts'
import type { DatabaseReader } from '../engine/engine.ts'
import { EXPORTED_DELIVERIES, type ExportedDelivery } from '../mail/delivery-columns.ts'
import { SUPPRESSIONS } from '../schema.ts'
import { hexToBytes, bytesToHex } from '../engine/mapping.ts'
import { createSuppressionFilter } from '../lists/suppressions.ts'
import type { SuppressionCursor, SuppressionFilters } from '../lists/suppressions.ts'
import type { SqlValue } from '../engine/value.ts'
import type { SqlFilter } from '../engine/filter.ts'

type ScanStep<R, C> = { readonly rows: readonly R[]; readonly next: C | null }

/** Rows of [from, to) after `after` (null: from the start). A step reads at most `maxRows` rows. */
export type ScanRange<C> = { readonly from: number; readonly to: number; readonly after: C | null; readonly maxRows: number }

const DELIVERY_COLUMNS = EXPORTED_DELIVERIES.columns('d')
const ENTRY_COLUMNS = SUPPRESSIONS.columns('s')

/** Scans the deliveries of one account by the time of their request. */
export async function scanDeliveries(
  reader: DatabaseReader,
  account: number,
  filters: Omit<DeliveryFilters, 'from' | 'to'>,
  range: ScanRange<DeliveryCursor>,
): Promise<ScanStep<ExportedDelivery, DeliveryCursor>> {
  const { requestedAt, deliveryId } = range.after ?? { requestedAt: range.from, deliveryId: '' }
  const edgeSql = `select d.requested_at, d.delivery_id from deliveries d where d.account_id = $1 and (d.requested_at, d.delivery_id) > ($2, $3)
    and d.requested_at < $4 order by d.requested_at, d.delivery_id limit 1 offset $5`
  const lastRow = await reader.one(edgeSql, [account, requestedAt, deliveryId, range.to, range.maxRows - 1])
  const next = lastRow === null ? null : { requestedAt: Number(lastRow['requested_at']), deliveryId: String(lastRow['delivery_id']) }
  // The end of this step, not of the range: SQLite uses one bound for the index and would read on to that one.
  const where = createDeliveryFilter(account, { ...filters, from: requestedAt, to: next === null ? range.to : next.requestedAt + 1 })
  addKeyRange(
    where,
    '(d.requested_at, d.delivery_id)',
    [requestedAt, deliveryId],
    next === null ? null : [next.requestedAt, next.deliveryId],
  )
  const rowsSql = `select ${DELIVERY_COLUMNS} from deliveries d where ${where.sql()} order by d.requested_at, d.delivery_id`
  return { rows: (await reader.all(rowsSql, where.parameters())).map(EXPORTED_DELIVERIES.decode), next }
}

/** Scans the entries of one list by the time from which they are in force. */
export async function scanSuppressions(
  reader: DatabaseReader,
  account: number,
  filters: Omit<SuppressionFilters, 'from' | 'to'>,
  range: ScanRange<SuppressionCursor>,
): Promise<ScanStep<SuppressionRow, SuppressionCursor>> {
  const { from, addressHash, scope } = range.after ?? { from: range.from, addressHash: '', scope: '' }
  const edgeSql = `select s.from_at, s.address_hash, s.scope from suppressions s where s.account_id = $1 and s.list = $2
    and (s.from_at, s.address_hash, s.scope) > ($3, $4, $5) and s.from_at < $6 order by s.from_at, s.address_hash, s.scope limit 1 offset $7`
  const list: ListName = filters.list
  const lastRow = await reader.one(edgeSql, [account, list, from, hexToBytes(addressHash), scope, range.to, range.maxRows - 1])
  const hash = lastRow?.['address_hash']
  const next =
    lastRow !== null && hash instanceof Uint8Array
      ? { from: Number(lastRow['from_at']), addressHash: bytesToHex(hash), scope: String(lastRow['scope']) }
      : null
  const where = createSuppressionFilter(account, { ...filters, from, to: next === null ? range.to : next.from + 1 })
  const last = next === null ? null : [next.from, hexToBytes(next.addressHash), next.scope]
  addKeyRange(where, '(s.from_at, s.address_hash, s.scope)', [from, hexToBytes(addressHash), scope], last)
  const rowsSql = `select ${ENTRY_COLUMNS} from suppressions s where ${where.sql()} order by s.from_at, s.address_hash, s.scope`
  return { rows: (await reader.all(rowsSql, where.parameters())).map(SUPPRESSIONS.decode), next }
}

/** Restricts to the keys after one and up to another. */
function addKeyRange(where: SqlFilter, key: string, afterKey: readonly SqlValue[], lastKey: readonly SqlValue[] | null): void {
  where.and(`${key} > (${afterKey.map(where.addParameter).join(', ')})`)
  if (lastKey !== null) where.and(`${key} <= (${lastKey.map(where.addParameter).join(', ')})`)
}

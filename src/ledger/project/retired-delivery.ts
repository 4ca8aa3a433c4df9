/**
 * retired-delivery - what is kept of a delivery after retention has removed it
 *
 * Its tokens stay valid for up to 400 days, so that the recipient can still unsubscribe or complain. Lists take both by the hash of the
 * address, so no clear address is kept. Status, statistics and timeline are closed and cannot change any more.
 *
 * Pure. See also: ledger/decide/retired, store/facts/retired-deliveries, service/admin/retire.
 */
import type { DeliveryRow, RetiredDelivery } from './state.ts'

/** Converts a delivery. Null: no list could take anything from it. */
export function retiredDeliveryOf(row: DeliveryRow): RetiredDelivery | null {
  const { account, deliveryId, month, addressHash, domain, apiUser, labelId, label } = row
  if (addressHash === null || !row.registered) return null
  return { account, deliveryId, month, addressHash, domain, apiUser, labelId, label }
}

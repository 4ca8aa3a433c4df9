/**
 * retired-delivery - what is kept of a delivery that was retired: as much as its tokens may still ask of a list
 *
 * Its tokens outlive it: for 400 days a recipient may take himself off, or complain. A list takes both by the hash of the address, so no
 * clear address stays. Its status, its statistics and its timeline are closed: nothing here can change them.
 *
 * Pure. See also: ledger/decide/retired, store/facts/retired-deliveries, service/admin/retire.
 */
import type { DeliveryRow } from './state.ts'

export type RetiredDelivery = Pick<DeliveryRow, 'account' | 'deliveryId' | 'month' | 'domain' | 'apiUser' | 'labelId' | 'label'> & {
  readonly addressHash: string
}

/** What remains of a delivery; null: no list could take anything from it. */
export function retiredDeliveryOf(row: DeliveryRow): RetiredDelivery | null {
  const { account, deliveryId, month, addressHash, domain, apiUser, labelId, label } = row
  if (addressHash === null || !row.registered) return null
  return { account, deliveryId, month, addressHash, domain, apiUser, labelId, label }
}

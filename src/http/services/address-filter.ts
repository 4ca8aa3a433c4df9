/**
 * address-filter - turns an address in a query into the hash that the store's tables are keyed by
 *
 * See also: correlate/address-hash.
 */
import { hashAddress } from '../../correlate/address-hash.ts'

/** The hash of no address: a filter by it matches no row. */
const UNKNOWN_ADDRESS_HASH = '00'.repeat(32)

/** Returns the hash to filter by; null means no filter. An invalid address gives a hash that matches nothing. Total. */
export function toAddressHashFilter(email: string | null): string | null {
  return email === null ? null : (hashAddress(email) ?? UNKNOWN_ADDRESS_HASH)
}

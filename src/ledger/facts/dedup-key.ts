/**
 * dedup-key - parts of the keys that decide when two facts are the same
 *
 * The key of each kind is in ledger/facts/fact-kinds. An event that legitimately recurs has a new key each time; one event that reaches
 * us twice in different forms has the same key. Together with subject and month of the delivery the key is unique in the store, so that
 * writing a fact twice changes nothing.
 *
 * Pure. See also: ledger/project/state (factKey).
 */
import { hash } from 'node:crypto'
import { hashAddress } from '../../correlate/address-hash.ts'

/** `id` and `at` are those of the fact, `addressHash` that of the delivery. */
export type DedupContext = { readonly id: string; readonly at: number; readonly addressHash: string | null }

/**
 * The recipient that a report names, as part of a key. '' for no recipient and for the delivery's own: of two forms of one report, one may
 * leave the recipient out.
 */
export function recipientKeyOf(address: string | null, { addressHash }: DedupContext): string {
  const reportedHash = address === null ? null : (hashAddress(address) ?? digestOf([address]))
  return reportedHash === null || reportedHash === addressHash ? '' : reportedHash.slice(0, 16)
}

/** A short digest of several values, in order. */
export function digestOf(parts: readonly unknown[]): string {
  return hash('sha256', JSON.stringify(parts)).slice(0, 16)
}

/** A short digest of a record that does not depend on the order of its members. */
export const digestOfRecord = (record: Readonly<Record<string, unknown>>): string =>
  digestOf(
    Object.entries(record)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flat(),
  )

/**
 * address-entries - the entries of one address or domain, and who changed them, when and why
 *
 * The history is the list facts themselves: each change names its moment, its actor (null: a report caused it) and its note. Retention
 * keeps list facts, so the history of an entry is whole.
 *
 * See also: service/lists/block-allow (changes entries), ledger/facts/list-facts, http/api/suppressions/suppression-entry,
 * commands/lists/address-entry.
 */
import type { Fact, FactOf } from '../../ledger/facts/fact.ts'
import type { ListName } from '../../ledger/facts/list-facts.ts'
import { aboutEntry } from '../../ledger/facts/new-fact.ts'
import type { SuppressionRow } from '../../ledger/project/state.ts'
import { isEntryInForce } from '../../ledger/suppress/suppression.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { findFactsBySubject } from '../../store/facts/facts.ts'
import { findSuppressions } from '../../store/lists/suppressions.ts'
import { parseEntryTarget, type EntryTarget } from './block-allow.ts'

/** One change of an entry. */
export type EntryChange = FactOf<'list'>

/** `entries` includes those that have ended. `changes`: the newest first. */
export type AddressEntries = {
  readonly target: EntryTarget
  readonly entries: readonly SuppressionRow[]
  readonly changes: readonly EntryChange[]
}

/** An address that subscribes and unsubscribes every day for months. */
const MAX_CHANGES = 100

/** Finds the entries of an address or a domain in these accounts (0: the shared list). Faults: bad_request (neither), store_busy. */
export async function readAddressEntries(
  reader: DatabaseReader,
  accounts: readonly number[],
  { text, list }: { readonly text: string; readonly list: ListName | null },
): Promise<AddressEntries> {
  const target = parseEntryTarget(text)
  const found = await findSuppressions(
    reader,
    accounts.map((account) => ({ account, addressHash: target.addressHash })),
  )
  const entries = found.filter((row) => list === null || row.list === list)
  const facts = await findFactsBySubject(reader, entries.map(aboutEntry))
  const changes = facts.filter(isListChange).toSorted((a, b) => b.at - a.at || b.data.change - a.data.change)
  return { target, entries, changes: changes.slice(0, MAX_CHANGES) }
}

const isListChange = (fact: Fact): fact is EntryChange => fact.kind === 'list'

/** Whether an entry suppresses now, or will if the mass-bounce guard releases it. */
export const isStanding = (row: SuppressionRow, at: number): boolean => isEntryInForce({ ...row, pending: false }, at)

/** What to change: that address or domain alone. */
export const selectTarget = (text: string): { readonly emails: readonly string[]; readonly domains: readonly string[] } =>
  text.includes('@') ? { emails: [text], domains: [] } : { emails: [], domains: [text] }

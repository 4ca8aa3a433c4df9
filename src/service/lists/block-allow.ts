/**
 * block-allow - adds and removes entries of every list that people set by hand
 *
 * An entry covers one address or a whole domain, for one API user or for all of them. One call is one transaction. Adding an entry that
 * exists with the same end changes nothing; adding it with another end replaces it.
 *
 * See also: service/lists/address-entries (reads them), service/lists/bulk-removal (by time and site), ledger/decide/operator-action, ledger/suppress/suppression (how entries suppress).
 */
import { hashDomain, normaliseAddress, normaliseDomain } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import { decideListChange, type ListChange } from '../../ledger/decide/operator-action.ts'
import type { UnsubscribeType } from '../../ledger/facts/delivery-facts.ts'
import type { ListName } from '../../ledger/facts/list-facts.ts'
import type { ListEntryKey } from '../../ledger/suppress/list-entry.ts'
import { suppressionKey, type SuppressionRow, type LedgerState } from '../../ledger/project/state.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

/** Whose lists a person changes, and the name of the person for the facts. */
export type ListEditor = { readonly account: number; readonly actor: string }

/** Entries of one list, by their addresses and domains. */
export type EntrySelection = {
  readonly list: ListName
  /** An API user (on the unsubscribe list a label), or '' for entries of the whole account. Null selects every scope; allowed when entries are removed. */
  readonly scope: string | null
  readonly emails: readonly string[]
  readonly domains: readonly string[]
}

/** `address` is null for a whole domain. */
export type EntryTarget = {
  readonly addressHash: string
  readonly address: string | null
  readonly domain: string
  readonly isDomain: boolean
}

/** One address, normalised. Faults: bad_request. */
function addressTarget(text: string): EntryTarget {
  const known = normaliseAddress(text)
  if (known === null) throw new Fault('bad_request', 'this is not an email address that mail can be sent to')
  return { addressHash: known.hash, address: known.address, domain: known.domain, isDomain: false }
}

/** A whole domain, normalised. Faults: bad_request. */
function domainTarget(text: string): EntryTarget {
  const domain = normaliseDomain(text)
  if (domain === null) throw new Fault('bad_request', 'this is not a domain')
  return { addressHash: hashDomain(domain), address: null, domain, isDomain: true }
}

/** An address, or a whole domain where the text has no `@`. Faults: bad_request (neither). */
export const parseEntryTarget = (text: string): EntryTarget => (text.includes('@') ? addressTarget(text) : domainTarget(text))

/** What a selection names, without repetitions. Faults: bad_request. */
function targetsOf({ emails, domains }: EntrySelection): readonly EntryTarget[] {
  const targets = [...emails.map(addressTarget), ...domains.map(domainTarget)]
  return [...new Map(targets.map((target) => [target.addressHash, target])).values()]
}

/** `note`: why. */
type EntryNote = { readonly note?: string }

type ChangeOf = (key: ListEntryKey, target: EntryTarget) => ListChange['change']

/** Changes the entries of all targets in one transaction. Resolves to the changed entries in their new state. */
async function changeEntries(
  context: Context,
  { account, actor }: ListEditor,
  selection: EntrySelection & EntryNote,
  change: ChangeOf,
): Promise<readonly SuppressionRow[]> {
  const targets = targetsOf(selection)
  const settings = (await context.accountCache.snapshot()).settingsOf(account)
  const needs = { addresses: targets.map(({ addressHash }) => ({ account, addressHash })) }
  return transact(context, needs, ({ ledgerState: ledger, moment, apply }) => {
    const operator = { actor, settings, moment }
    const note = selection.note ?? null
    const entries = targets.flatMap((target) => entryKeysOf(ledger, account, selection, target).map((key) => ({ key, target })))
    const changed = entries.filter(
      ({ key, target }) => apply(decideListChange({ ledger, key, change: change(key, target), note }, operator)) > 0,
    )
    return { result: changed.flatMap(({ key }) => ledger.suppressions.get(suppressionKey(key)) ?? []) }
  })
}

function entryKeysOf(
  ledger: LedgerState,
  account: number,
  { list, scope }: EntrySelection,
  { addressHash }: EntryTarget,
): readonly ListEntryKey[] {
  if (scope !== null) return [{ account, list, addressHash, scope }]
  const rows = [...ledger.suppressions.values()].filter((row) => row.list === list && row.addressHash === addressHash)
  return rows.map((row) => ({ account, list, addressHash, scope: row.scope }))
}

/** What an entry of a list has besides; an unsubscription by hand covers every kind of mail. */
const FIELDS_OF_LIST: Readonly<Partial<Record<ListName, { readonly unsubscribeType: UnsubscribeType }>>> = {
  unsubscribe: { unsubscribeType: 0 },
}

/**
 * Adds entries that last until a moment (epoch ms), or without end if `until` is null. One transaction; idempotent. Resolves to the entries
 * that changed. Faults: bad_request, store_busy.
 */
export async function addBlockAllowEntries(
  context: Context,
  editor: ListEditor,
  selection: EntrySelection & EntryNote & { readonly until: number | null },
): Promise<readonly SuppressionRow[]> {
  const { list, until, note } = selection
  return changeEntries(context, editor, { ...selection, scope: selection.scope ?? '' }, ({ scope }, { address, domain, isDomain }) => {
    const reason = note ?? 'api'
    // The scope of an unsubscription is a label.
    const apiUser = scope === '' || list === 'unsubscribe' ? null : scope
    const state = { address, domain, isDomain, reason, until, apiUser, ...FIELDS_OF_LIST[list] }
    return { action: 'add', state }
  })
}

/** Removes entries in one transaction. Resolves to the number of entries that were in force. Faults: bad_request, store_busy. */
export async function removeBlockAllowEntries(
  context: Context,
  editor: ListEditor,
  selection: EntrySelection & EntryNote,
): Promise<number> {
  return (await changeEntries(context, editor, selection, () => ({ action: 'remove' }))).length
}

/**
 * block-allow - adds and removes block and allow entries that an account sets by hand
 *
 * An entry covers one address or a whole domain, for one API user or for all of them. One call is one transaction. Adding an entry that
 * exists with the same end changes nothing; adding it with another end replaces it.
 *
 * See also: service/lists/bulk-removal (the other lists), ledger/decide/operator-action, ledger/suppress/suppression (how entries suppress).
 */
import { hashDomain, normaliseAddress, normaliseDomain } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import { decideListChange, type ListChange } from '../../ledger/decide/operator-action.ts'
import type { UnsubscribeType } from '../../ledger/facts/delivery-facts.ts'
import type { ListName } from '../../ledger/facts/list-facts.ts'
import type { ListEntryKey } from '../../ledger/suppress/list-entry.ts'
import { suppressionKey, type SuppressionRow, type LedgerState } from '../../ledger/project/state.ts'
import { actorOf, type Caller } from '../caller.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

/** Entries of one list, by their addresses and domains. */
export type EntrySelection = {
  readonly list: ListName
  /** An API user, or '' for entries of the whole account. Null selects every scope; allowed when entries are removed. */
  readonly scope: string | null
  readonly emails: readonly string[]
  readonly domains: readonly string[]
}

type EntryTarget = { readonly addressHash: string; readonly address: string | null; readonly domain: string; readonly isDomain: boolean }

/** Faults: bad_request (an item is not an address or not a domain). */
function targetsOf({ emails, domains }: EntrySelection): readonly EntryTarget[] {
  const addresses = emails.map((email) => {
    const known = normaliseAddress(email)
    if (known === null) throw new Fault('bad_request', 'this is not an email address that mail can be sent to')
    return { addressHash: known.hash, address: known.address, domain: known.domain, isDomain: false }
  })
  const wholeDomains = domains.map((name) => {
    const domain = normaliseDomain(name)
    if (domain === null) throw new Fault('bad_request', 'this is not a domain')
    return { addressHash: hashDomain(domain), address: null, domain, isDomain: true }
  })
  return [...new Map([...addresses, ...wholeDomains].map((target) => [target.addressHash, target])).values()]
}

type ChangeOf = (key: ListEntryKey, target: EntryTarget) => ListChange['change']

/** Changes the entries of all targets in one transaction. Resolves to the changed entries in their new state. */
async function changeEntries(
  context: Context,
  caller: Caller,
  selection: EntrySelection,
  change: ChangeOf,
): Promise<readonly SuppressionRow[]> {
  const { account } = caller
  const targets = targetsOf(selection)
  const settings = (await context.accountCache.snapshot()).settingsOf(account)
  const needs = { addresses: targets.map(({ addressHash }) => ({ account, addressHash })) }
  return transact(context, needs, ({ ledgerState: ledger, moment, apply }) => {
    const operator = { actor: actorOf(caller), settings, moment }
    const entries = targets.flatMap((target) => entryKeysOf(ledger, account, selection, target).map((key) => ({ key, target })))
    const changed = entries.filter(({ key, target }) => apply(decideListChange({ ledger, key, change: change(key, target) }, operator)) > 0)
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
  caller: Caller,
  selection: EntrySelection & { readonly until: number | null; readonly note?: string },
): Promise<readonly SuppressionRow[]> {
  const { list, until, note } = selection
  return changeEntries(context, caller, { ...selection, scope: selection.scope ?? '' }, ({ scope }, { address, domain, isDomain }) => {
    const reason = note ?? 'api'
    const state = { address, domain, isDomain, reason, until, apiUser: scope === '' ? null : scope, ...FIELDS_OF_LIST[list] }
    return { action: 'add', state }
  })
}

/** Removes entries in one transaction. Resolves to the number of entries that were in force. Faults: bad_request, store_busy. */
export async function removeBlockAllowEntries(context: Context, caller: Caller, selection: EntrySelection): Promise<number> {
  return (await changeEntries(context, caller, selection, () => ({ action: 'remove' }))).length
}

/**
 * block-allow - blocks and allowances that an account sets by hand: of an address or of a whole domain, for one API user or for all
 *
 * One transaction for all that a call names. Adding what stands just so changes nothing; an entry with another end begins anew.
 *
 * See also: service/lists/lists (the other lists), ledger/decide/operator-action, ledger/suppress/suppression (what they answer).
 */
import { hashDomain, normaliseAddress, normaliseDomain } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import { decideListChange, type ListChange } from '../../ledger/decide/operator-action.ts'
import type { ListEntryKey } from '../../ledger/suppress/list-entry.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { suppressionKey, type SuppressionRow, type LedgerState } from '../../ledger/project/state.ts'
import type { Database } from '../../store/engine/engine.ts'
import { loadLedgerState } from '../../store/facts/ledger-state.ts'
import { commitLedgerState } from '../commit.ts'
import { actorOf, type Caller } from '../caller.ts'
import type { Context } from '../context.ts'

/** Which entries: those of these addresses and domains, on one list. */
export type EntrySelection = {
  readonly list: 'block' | 'allow'
  /** An API user, '' for all of the account's, or (to take them off) null for whomever they were set. */
  readonly scope: string | null
  readonly emails: readonly string[]
  readonly domains: readonly string[]
}

type EntryTarget = { readonly addressHash: string; readonly address: string | null; readonly domain: string; readonly isDomain: boolean }

/** Faults: bad_request, for what is no address or no domain. */
function targetsOf({ emails, domains }: EntrySelection): readonly EntryTarget[] {
  const addresses = emails.map((email) => {
    const known = normaliseAddress(email)
    if (known === null) throw new Fault('bad_request', 'that is not an address that one can send to')
    return { addressHash: known.hash, address: known.address, domain: known.domain, isDomain: false }
  })
  const whole = domains.map((name) => {
    const domain = normaliseDomain(name)
    if (domain === null) throw new Fault('bad_request', 'that is not a domain')
    return { addressHash: hashDomain(domain), address: null, domain, isDomain: true }
  })
  return [...new Map([...addresses, ...whole].map((target) => [target.addressHash, target])).values()]
}

type ChangeOf = (key: ListEntryKey, target: EntryTarget) => ListChange['change']

/** Changes the entries of all targets in one transaction; those that changed, as they then stand. */
async function changeEntries(context: Context, by: Caller, call: EntrySelection, change: ChangeOf): Promise<readonly SuppressionRow[]> {
  const targets = targetsOf(call)
  const settings = (await context.accountCache.snapshot()).settingsOf(by.account)
  const work = async (db: Database): Promise<readonly SuppressionRow[]> => {
    const now = context.now()
    const actionContext = { actor: actorOf(by), settings, moment: { at: now, receivedAt: now, ids: context.ids } }
    const { ledgerState } = await loadLedgerState(db, {
      addresses: targets.map(({ addressHash }) => ({ account: by.account, addressHash })),
    })
    const keys = targets.flatMap((target) => entryKeysOf(ledgerState, by.account, call, target).map((key) => ({ key, target })))
    const changed = keys.filter(
      ({ key, target }) =>
        applyFacts(ledgerState, decideListChange({ ledger: ledgerState, key, change: change(key, target) }, actionContext)) > 0,
    )
    await commitLedgerState(db, ledgerState, { now, notify: () => true })
    return changed.flatMap(({ key }) => ledgerState.suppressions.get(suppressionKey(key)) ?? [])
  }
  return context.engine.tx(work)
}

function entryKeysOf(
  ledgerState: LedgerState,
  account: number,
  { list, scope }: EntrySelection,
  { addressHash }: EntryTarget,
): readonly ListEntryKey[] {
  if (scope !== null) return [{ account, list, addressHash, scope }]
  const held = [...ledgerState.suppressions.values()].filter((row) => row.list === list && row.addressHash === addressHash)
  return held.map((row) => ({ account, list, addressHash, scope: row.scope }))
}

/** Puts entries on a list, until a moment or (null) for ever; those that were new. Faults: bad_request. */
export async function addBlockAllowEntries(
  context: Context,
  by: Caller,
  call: EntrySelection & { readonly until: number | null },
): Promise<readonly SuppressionRow[]> {
  return changeEntries(context, by, { ...call, scope: call.scope ?? '' }, ({ scope }, { address, domain, isDomain }) => {
    const state = { address, domain, isDomain, reason: 'api', until: call.until, apiUser: scope === '' ? null : scope }
    return { action: 'add', state }
  })
}

/** Takes entries off a list; how many stood. Faults: bad_request. */
export async function removeBlockAllowEntries(context: Context, by: Caller, call: EntrySelection): Promise<number> {
  return (await changeEntries(context, by, call, () => ({ action: 'remove' }))).length
}

/**
 * block-allow - blocks and allowances that an account sets by hand: of an address or of a whole domain, for one API user or for all
 *
 * One transaction for all that a call names. Adding what stands just so changes nothing; an entry with another end begins anew.
 *
 * See also: service/lists/lists (the other lists), ledger/decide/operator-action, ledger/suppress/suppression (what they answer).
 */
import { hashDomain, knowAddress, knowDomain } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import { decideListChange, type ListChange } from '../../ledger/decide/operator-action.ts'
import type { EntryKey } from '../../ledger/suppress/list-entry.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { suppressionKey, type SuppressionRow, type World } from '../../ledger/project/state.ts'
import type { Db } from '../../store/engine/engine.ts'
import { loadWorld } from '../../store/facts/ledger-state.ts'
import { commitWorld } from '../commit.ts'
import { actorOf, type Asker } from '../submit/register.ts'
import type { Shop } from '../context.ts'

/** Which entries: those of these addresses and domains, on one list. */
export type EntryCall = {
  readonly list: 'block' | 'allow'
  /** An API user, '' for all of the account's, or (to take them off) null for whomever they were set. */
  readonly scope: string | null
  readonly emails: readonly string[]
  readonly domains: readonly string[]
}

type Target = { readonly addressHash: string; readonly address: string | null; readonly domain: string; readonly isDomain: boolean }

/** Faults: bad_request, for what is no address or no domain. */
function targetsOf({ emails, domains }: EntryCall): readonly Target[] {
  const addresses = emails.map((email) => {
    const known = knowAddress(email)
    if (known === null) throw new Fault('bad_request', 'that is not an address that one can send to')
    return { addressHash: known.hash, address: known.address, domain: known.domain, isDomain: false }
  })
  const whole = domains.map((name) => {
    const domain = knowDomain(name)
    if (domain === null) throw new Fault('bad_request', 'that is not a domain')
    return { addressHash: hashDomain(domain), address: null, domain, isDomain: true }
  })
  return [...new Map([...addresses, ...whole].map((target) => [target.addressHash, target])).values()]
}

type Change = (key: EntryKey, target: Target) => ListChange['change']

/** Changes the entries of all targets in one transaction; those that changed, as they then stand. */
async function changeAll(shop: Shop, by: Asker, call: EntryCall, change: Change): Promise<readonly SuppressionRow[]> {
  const targets = targetsOf(call)
  const settings = (await shop.book.open()).settingsOf(by.account)
  const work = async (db: Db): Promise<readonly SuppressionRow[]> => {
    const now = shop.now()
    const hand = { actor: actorOf(by), settings, moment: { at: now, receivedAt: now, ids: shop.ids } }
    const { world } = await loadWorld(db, { addresses: targets.map(({ addressHash }) => ({ account: by.account, addressHash })) })
    const keys = targets.flatMap((target) => keysOf(world, by.account, call, target).map((key) => ({ key, target })))
    const changed = keys.filter(
      ({ key, target }) => applyFacts(world, decideListChange({ world, key, change: change(key, target) }, hand)) > 0,
    )
    await commitWorld(db, world, { now, notify: () => true })
    return changed.flatMap(({ key }) => world.suppressions.get(suppressionKey(key)) ?? [])
  }
  return shop.engine.tx(work)
}

function keysOf(world: World, account: number, { list, scope }: EntryCall, { addressHash }: Target): readonly EntryKey[] {
  if (scope !== null) return [{ account, list, addressHash, scope }]
  const held = [...world.suppressions.values()].filter((row) => row.list === list && row.addressHash === addressHash)
  return held.map((row) => ({ account, list, addressHash, scope: row.scope }))
}

/** Puts entries on a list, until a moment or (null) for ever; those that were new. Faults: bad_request. */
export async function addEntries(
  shop: Shop,
  by: Asker,
  call: EntryCall & { readonly until: number | null },
): Promise<readonly SuppressionRow[]> {
  return changeAll(shop, by, { ...call, scope: call.scope ?? '' }, ({ scope }, { address, domain, isDomain }) => {
    const state = { address, domain, isDomain, reason: 'api', until: call.until, apiUser: scope === '' ? null : scope }
    return { action: 'add', state }
  })
}

/** Takes entries off a list; how many stood. Faults: bad_request. */
export async function dropEntries(shop: Shop, by: Asker, call: EntryCall): Promise<number> {
  return (await changeAll(shop, by, call, () => ({ action: 'remove' }))).length
}

/**
 * unsubscribe - puts a recipient on the unsubscribe list by hand
 *
 * See also: ledger/decide/operator-action, service/track/unsubscribe-links (by the link in a mail).
 */
import { normaliseAddress } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import { decideListChange } from '../../ledger/decide/operator-action.ts'
import type { UnsubscribeType } from '../../ledger/facts/delivery-facts.ts'
import { suppressionKey, type SuppressionRow } from '../../ledger/project/state.ts'
import { actorOf, type Caller } from '../caller.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

/**
 * Adds an address to the unsubscribe list of the caller's account, without end. One transaction; idempotent. Resolves to the entry.
 * Faults: bad_request (not an email address), store_busy.
 */
export async function addUnsubscribeEntry(context: Context, caller: Caller, email: string, type: UnsubscribeType): Promise<SuppressionRow> {
  const { account, apiUser } = caller
  const known = normaliseAddress(email)
  if (known === null) throw new Fault('bad_request', 'this is not an email address that mail can be sent to')
  const { hash: addressHash, address, domain } = known
  const settings = (await context.accountCache.snapshot()).settingsOf(account)
  const key = { account, list: 'unsubscribe', addressHash, scope: '' } as const
  const row = await transact(context, { addresses: [{ account, addressHash }] }, ({ ledgerState: ledger, moment, apply }) => {
    const state = { address, domain, reason: 'api', until: null, unsubscribeType: type, apiUser }
    apply(decideListChange({ ledger, key, change: { action: 'add', state } }, { actor: actorOf(caller), settings, moment }))
    return { result: ledger.suppressions.get(suppressionKey(key)) }
  })
  if (row === undefined) throw new Fault('internal', 'the unsubscribe entry is missing after it was added')
  return row
}

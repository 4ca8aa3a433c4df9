/**
 * unsubscribe - puts a recipient on the unsubscribe list, by an unsubscribe token or by hand
 *
 * RFC 8058 (one-click). See also: ledger/decide/unsubscribe, ledger/decide/retired, http/api/unsubscribe, correlate/token.
 */
import { normaliseAddress } from '../../correlate/address-hash.ts'
import { isDeliveryIdExpired, TOKEN_PURPOSES, parseToken } from '../../correlate/token.ts'
import { Fault } from '../../errors.ts'
import { decideListChange } from '../../ledger/decide/operator-action.ts'
import { decideUnsubscribe } from '../../ledger/decide/unsubscribe.ts'
import { decideRetiredUnsubscribe } from '../../ledger/decide/retired.ts'
import type { UnsubscribeType } from '../../ledger/facts/delivery-facts.ts'
import { suppressionKey, type SuppressionRow } from '../../ledger/project/state.ts'
import type { AccountSnapshot } from '../account-cache.ts'
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

export type UnsubscribeRequest = {
  readonly token: string
  readonly how: 'page' | 'one-click'
  readonly ip: string
  readonly userAgent: string | null
}

/**
 * Unsubscribes the recipient of the delivery that an unsubscribe token names. One transaction; idempotent. Resolves to `missed` if the token
 * is forged or expired, or if nothing is known of its delivery any more. Faults: store_busy.
 */
export async function unsubscribe(context: Context, request: UnsubscribeRequest): Promise<'done' | 'missed'> {
  const snapshot = await context.accountCache.snapshot()
  const subject = findSubject(context, snapshot, request.token)
  if (subject === null) return 'missed'
  const { account, deliveryId } = subject
  const settings = snapshot.settingsOf(account)
  const needs = { deliveries: [subject], retiredDeliveries: true }
  return transact<'done' | 'missed'>(context, needs, ({ ledgerState: ledger, moment }) => {
    const { how, ip, userAgent } = request
    const input = { ledger, how, type: 0, proof: 'token', settings, moment } as const
    const delivery = ledger.deliveries.get(deliveryId)
    if (delivery !== undefined) return { result: 'done', facts: decideUnsubscribe({ ...input, delivery, ip, userAgent, digest: null }) }
    const retired = ledger.retired.get(deliveryId)
    return retired === undefined ? { result: 'missed' } : { result: 'done', facts: decideRetiredUnsubscribe({ ...input, retired }) }
  })
}

/** The delivery that a valid token names, with the account that owns it. */
function findSubject(
  context: Context,
  snapshot: AccountSnapshot,
  text: string,
): { readonly account: number; readonly deliveryId: string } | null {
  const parsed = context.domains.feedback.map((domain) => parseToken(text, 'unsubscribe', domain, snapshot.keyFor))
  const token = parsed.find(({ state }) => state === 'valid')
  if (token === undefined || token.state === 'none') return null
  if (isDeliveryIdExpired(token.deliveryId, TOKEN_PURPOSES.unsubscribe.validDays, context.now())) return null
  const owner = snapshot.accountOf(token.account)
  return owner === null ? null : { account: owner.account, deliveryId: token.deliveryId }
}

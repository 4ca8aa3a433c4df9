/**
 * decideoptout - a recipient does not want any more: by page, one-click POST, mail or report
 *
 * The entry holds for ever, for the account or for the mail's label (setting). Doing it again changes nothing. A mail that nobody
 * registered yet is recorded only: its address is not known.
 *
 * Pure. RFC 8058, RFC 2369. See also: ledger/decide, web (the page and the POST).
 */
import { draftFor, type Draft } from './draft.ts'
import { changeEntry, type EntryKey } from './entry.ts'
import type { Fact, Proof, UnsubscribeData, UnsubscribeType } from './fact.ts'
import { makeFact, type Moment, ofDelivery } from './make.ts'
import type { AccountSettings } from './settings.ts'
import { isInForce } from './suppression.ts'
import { type DeliveryRow, suppressionKey, type World } from './world.ts'

export type OptOut = {
  readonly world: World
  readonly delivery: DeliveryRow
  readonly how: UnsubscribeData['how']
  readonly type: UnsubscribeType
  readonly ip: string | null
  readonly userAgent: string | null
  /** Of the mail that asked; null: a page did. */
  readonly digest: string | null
  readonly proof: Proof
  readonly settings: AccountSettings
  readonly moment: Moment
}

/** The facts of one request to be taken off, behind a valid unsubscribe token. */
export function decideUnsubscribe(input: OptOut): readonly Fact[] {
  const draft = draftFor(input.world)
  optOut(input, draft)
  return draft.facts
}

/** The same, into a draft. */
export function optOut(input: OptOut, draft: Draft): void {
  const { world, delivery, how, type, ip, userAgent, digest, proof, settings, moment } = input
  const scope = settings.unsubscribeScope === 'label' ? (delivery.label ?? '') : ''
  const { account, addressHash } = delivery
  const key: EntryKey | null = addressHash === null ? null : { account, list: 'unsubscribe', addressHash, scope }
  const old = key === null ? null : (world.suppressions.get(suppressionKey(key)) ?? null)
  const isListed = old !== null && isInForce(old, moment.at)
  const change = (old?.change ?? 0) + (isListed ? 0 : 1)
  const said = { how, type, scope, change, ip, userAgent: userAgent?.slice(0, 256) ?? null, digest, settingsVersion: settings.version }
  const fact = makeFact('unsubscribe', ofDelivery(delivery), moment, said)
  draft.addWith(fact, () => {
    if (key === null || isListed || !delivery.registered) return []
    const state = {
      address: delivery.recipient,
      domain: delivery.domain,
      n: 1,
      from: moment.at,
      until: null,
      reason: how,
      deliveryId: delivery.deliveryId,
      proof,
      unsubscribeType: type,
      apiUser: delivery.apiUser,
      labelId: delivery.labelId,
    }
    return [changeEntry({ key, old, action: 'add', state, by: { cause: fact.id, actor: null, settingsVersion: settings.version }, moment })]
  })
}

/**
 * opt-out - a recipient does not want any more: by page, one-click POST, mail or report
 *
 * The entry holds for ever, for the account or for the mail's label (setting). Doing it again changes nothing. A mail that nobody
 * registered yet is recorded only: its address is not known.
 *
 * Pure. RFC 8058, RFC 2369. See also: ledger/decide/report, web (the page and the POST).
 */
import { draftFor, type Draft } from '../facts/fact-batch.ts'
import { changeEntry, type EntryKey } from '../suppress/list-entry.ts'
import type { Fact, Proof, UnsubscribeData, UnsubscribeType } from '../facts/fact.ts'
import { makeFact, type Moment, ofDelivery } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import { isInForce } from '../suppress/suppression.ts'
import { type DeliveryRow, suppressionKey, type SuppressionRow, type World } from '../project/state.ts'

/** As much of a delivery as a list takes. */
export type Listed = Pick<
  DeliveryRow,
  'account' | 'deliveryId' | 'addressHash' | 'recipient' | 'domain' | 'site' | 'apiUser' | 'labelId' | 'label' | 'registered'
>

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

/** What the list hears of it. */
export type Wish = Omit<OptOut, 'delivery' | 'ip' | 'userAgent' | 'digest'> & { readonly delivery: Listed }

/** The facts of one request to be taken off, behind a valid unsubscribe token. */
export function decideUnsubscribe(input: OptOut): readonly Fact[] {
  const draft = draftFor(input.world)
  optOut(input, draft)
  return draft.facts
}

/** The same, into a draft. */
export function optOut(input: OptOut, draft: Draft): void {
  const { delivery, how, type, ip, userAgent, digest, settings, moment } = input
  const { scope, old, isListed } = standing(input)
  const change = (old?.change ?? 0) + (isListed ? 0 : 1)
  const said = { how, type, scope, change, ip, userAgent: userAgent?.slice(0, 256) ?? null, digest, settingsVersion: settings.version }
  const fact = makeFact('unsubscribe', ofDelivery(delivery), moment, said)
  draft.addWith(fact, () => listOptOut(input, fact.id))
}

/** The change of the list; none where the entry stands, or the address is not known. `cause`: the fact that tells of the wish. */
export function listOptOut(wish: Wish, cause: string | null): readonly Fact[] {
  const { delivery, how, type, proof, settings, moment } = wish
  const { key, old, isListed } = standing(wish)
  if (key === null || isListed || !delivery.registered) return []
  const state = {
    address: delivery.recipient ?? old?.address ?? null,
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
  return [changeEntry({ key, old, action: 'add', state, by: { cause, actor: null, settingsVersion: settings.version }, moment })]
}

type Standing = {
  readonly scope: string
  readonly key: EntryKey | null
  readonly old: SuppressionRow | null
  readonly isListed: boolean
}

/** Which entry it is, and how it stands. */
function standing({ world, delivery, settings, moment }: Pick<Wish, 'world' | 'delivery' | 'settings' | 'moment'>): Standing {
  const scope = settings.unsubscribeScope === 'label' ? (delivery.label ?? '') : ''
  const { account, addressHash } = delivery
  const key: EntryKey | null = addressHash === null ? null : { account, list: 'unsubscribe', addressHash, scope }
  const old = key === null ? null : (world.suppressions.get(suppressionKey(key)) ?? null)
  return { scope, key, old, isListed: old !== null && isInForce(old, moment.at) }
}

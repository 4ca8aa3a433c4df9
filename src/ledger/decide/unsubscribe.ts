/**
 * unsubscribe - a recipient unsubscribes: by page, one-click POST, mail or feedback report
 *
 * The entry has no end, and holds for the account or for the label of the mail (account setting). Unsubscribing again changes nothing. If
 * the delivery is not registered yet, the request is only recorded, because its address is not known.
 *
 * Pure. RFC 8058, RFC 2369. See also: ledger/decide/report, http/tracking/unsubscribe (the page and the POST).
 */
import { readClient, storedUserAgent } from '../../tracking/client-reading.ts'
import { storedIp } from '../../tracking/ip-privacy.ts'
import { clearPersonalFields } from './redact.ts'
import { createFactBatch, type FactBatch } from '../facts/fact-batch.ts'
import { changeEntry, type ListEntryKey } from '../suppress/list-entry.ts'
import type { Proof } from '../facts/decision.ts'
import type { UnsubscribeData, UnsubscribeType } from '../facts/delivery-facts.ts'
import type { Fact } from '../facts/fact.ts'
import { createFact, type FactMoment, aboutDelivery } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import { isEntryInForce } from '../suppress/suppression.ts'
import { type DeliveryRow, suppressionKey, type SuppressionRow, type LedgerState } from '../project/state.ts'

/** The part of a delivery that a list needs. */
export type SuppressionTarget = Pick<
  DeliveryRow,
  'account' | 'deliveryId' | 'addressHash' | 'recipient' | 'domain' | 'site' | 'apiUser' | 'labelId' | 'label' | 'registered'
>

type UnsubscribeInput = {
  readonly ledger: LedgerState
  readonly delivery: DeliveryRow
  readonly how: UnsubscribeData['how']
  readonly type: UnsubscribeType
  readonly ip: string | null
  readonly userAgent: string | null
  /** Of the mail that asked; null: a page did. */
  readonly digest: string | null
  readonly proof: Proof
  readonly settings: AccountSettings
  readonly moment: FactMoment
}

/** The part of a request that the list needs. */
export type UnsubscribeListInput = Omit<UnsubscribeInput, 'delivery' | 'ip' | 'userAgent' | 'digest'> & {
  readonly delivery: SuppressionTarget
}

/** The facts of one request to unsubscribe, proven by a valid unsubscribe token. */
export function decideUnsubscribe(input: UnsubscribeInput): readonly Fact[] {
  const batch = createFactBatch(input.ledger)
  addUnsubscribeFacts(input, batch)
  return batch.facts
}

/** Adds the same facts to a batch. */
export function addUnsubscribeFacts(input: UnsubscribeInput, batch: FactBatch): void {
  const { delivery, how, type, ip, userAgent, digest, settings, moment } = input
  const { scope, previous, isListed } = findUnsubscribeEntry(input)
  const change = (previous?.change ?? 0) + (isListed ? 0 : 1)
  const seen = {
    ip: ip === null ? null : storedIp(ip, settings.engagementIp),
    userAgent: storedUserAgent(userAgent, settings.engagementUserAgent),
    ...readClient(userAgent),
  }
  const data = { how, type, scope, change, ...seen, digest, settingsVersion: settings.version }
  const requested = createFact('unsubscribe', aboutDelivery(delivery), moment, data)
  // After an erasure, a link that still works must not bring back what was erased.
  const fact = delivery.recipient === null ? clearPersonalFields(requested) : requested
  batch.addWithConsequences(fact, () => updateUnsubscribeList(input, fact.id))
}

/** The change of the list; none if the entry is in force or the address is not known. `cause`: the fact of the request. */
export function updateUnsubscribeList(input: UnsubscribeListInput, cause: string | null): readonly Fact[] {
  const { delivery, how, type, proof, settings, moment } = input
  const { key, previous, isListed } = findUnsubscribeEntry(input)
  if (key === null || isListed || !delivery.registered) return []
  const state = {
    address: delivery.recipient ?? previous?.address ?? null,
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
  return [changeEntry({ key, previous, action: 'add', state, origin: { cause, actor: null, settingsVersion: settings.version }, moment })]
}

type UnsubscribeEntry = {
  readonly scope: string
  readonly key: ListEntryKey | null
  readonly previous: SuppressionRow | null
  readonly isListed: boolean
}

/** The entry of the recipient, and whether it is in force. */
function findUnsubscribeEntry({
  ledger,
  delivery,
  settings,
  moment,
}: Pick<UnsubscribeListInput, 'ledger' | 'delivery' | 'settings' | 'moment'>): UnsubscribeEntry {
  const scope = settings.unsubscribeScope === 'label' ? (delivery.label ?? '') : ''
  const { account, addressHash } = delivery
  const key: ListEntryKey | null = addressHash === null ? null : { account, list: 'unsubscribe', addressHash, scope }
  const previous = key === null ? null : (ledger.suppressions.get(suppressionKey(key)) ?? null)
  return { scope, key, previous, isListed: previous !== null && isEntryInForce(previous, moment.at) }
}

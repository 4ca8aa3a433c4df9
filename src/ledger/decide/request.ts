/**
 * request - the registration of one recipient, and the refusal by our own lists
 *
 * A stub that was minted offline becomes a delivery; if its report already said "no such mailbox", the bounce list takes it now. In a
 * broadcast, an address that occurs again is a duplicate, and a recipient without an address (or without one for this type of mail) is not
 * selected. Both end here and tell the sender not to send: no address is 404; a duplicate or a recipient that was not selected is 409 with
 * fault `list`. They are not billable and not counted, and their broadcast result is that of the request.
 *
 * Pure. See also: ledger/suppress/suppression (findListRefusal), service/submit/register.
 */
import type { HashedAddress } from '../../correlate/address-hash.ts'
import { updateBounceList } from '../suppress/bounce-list.ts'
import { createFactBatch } from '../facts/fact-batch.ts'
import { EXCLUDED_EFFECT, localRefusalEffectOf } from './effect.ts'
import type { StatusEffect } from '../facts/decision.ts'
import type { RequestData } from '../facts/delivery-facts.ts'
import type { Fact, FactOf } from '../facts/fact.ts'
import { addressHistoryOf, isPermanentUnknownUser } from '../suppress/address-history.ts'
import { foldDelivery } from '../project/delivery.ts'
import { type FactSubject, createFact, type FactMoment } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import { findListRefusal } from '../suppress/suppression.ts'
import type { DeliveryRow, LedgerState } from '../project/state.ts'
import { createLocalFailure, listFailureOf, type LocalFailure } from './local-failure.ts'

type RequestInput = {
  readonly ledger: LedgerState
  readonly account: number
  readonly deliveryId: string
  /** `result` and `settingsVersion` are decided here. */
  readonly request: Omit<RequestData, 'result' | 'settingsVersion'>
  /** Null: `request.recipient` is missing or not a valid address. */
  readonly address: HashedAddress | null
  /** False: the recipient of a broadcast has no address for this type of mail. */
  readonly isSelected: boolean
  /** True: our own queue sends it. False: the sender does. */
  readonly isQueued: boolean
  readonly settings: AccountSettings
  readonly moment: FactMoment
}

/** The facts of one registration. */
export function decideRequest(input: RequestInput): readonly Fact[] {
  const { ledger, account, deliveryId, request, address, settings, moment } = input
  const batch = createFactBatch(ledger)
  const subject = { account, deliveryId, addressHash: address?.hash ?? null, subject: deliveryId }
  const result = initialResultOf(input)
  const fact = createFact('request', subject, moment, { ...request, result, settingsVersion: settings.version })
  batch.addWithConsequences(fact, () => {
    if (result === 'duplicate') return [createRefusalFact(input, fact, DUPLICATE)]
    if (result === 'no-email-selected') return [createRefusalFact(input, fact, request.recipient === null ? NO_ADDRESS : NOT_SELECTED)]
    if (address === null) return [createRefusalFact(input, fact, INVALID_ADDRESS)]
    const addressee = {
      account,
      addressHash: address.hash,
      domain: address.domain,
      label: request.label,
      apiUser: request.apiUser,
      usesSharedList: settings.sharedList,
    }
    const refusal = findListRefusal(ledger, addressee, moment.at)
    return refusal === null ? applyEarlierReport(input, fact) : [createRefusalFact(input, fact, listFailureOf(refusal))]
  })
  return batch.facts
}

function initialResultOf({ ledger, account, deliveryId, request, address, isSelected, isQueued }: RequestInput): RequestData['result'] {
  if (request.broadcast !== null) {
    if (request.recipient === null || !isSelected) return 'no-email-selected'
    const history = address === null ? [] : addressHistoryOf(ledger, account, address.hash)
    const isDuplicate = history.some(
      (row) => row.registered && row.broadcast === request.broadcast && row.deliveryId !== deliveryId && row.resultBase !== 'duplicate',
    )
    if (isDuplicate) return 'duplicate'
  }
  return isQueued ? 'unsent' : 'sent'
}

const INVALID_ADDRESS: LocalFailure = {
  source: 'address',
  effect: localRefusalEffectOf('format-error'),
  text: 'not an address',
  billable: true,
}
const NO_ADDRESS: LocalFailure = { source: 'address', effect: localRefusalEffectOf('format-error'), text: 'no address', billable: false }
const NOT_SELECTED: LocalFailure = {
  source: 'list',
  effect: EXCLUDED_EFFECT,
  text: 'not selected: no address for this type of mail',
  billable: false,
}
const DUPLICATE: LocalFailure = {
  source: 'list',
  effect: EXCLUDED_EFFECT,
  text: 'duplicate: the address again in one broadcast',
  billable: false,
}

function createRefusalFact({ settings, moment }: RequestInput, request: FactOf<'request'>, failure: LocalFailure): Fact {
  return createLocalFailure(factSubjectOf(request), failure, { site: request.data.site, settingsVersion: settings.version, moment })
}

const factSubjectOf = ({ account, deliveryId, addressHash, subject }: Fact): FactSubject => ({ account, deliveryId, addressHash, subject })

/** A report may have arrived before the registration. What it could not change on a list then, it changes now. */
function applyEarlierReport({ ledger, settings, deliveryId, moment }: RequestInput, request: FactOf<'request'>): readonly Fact[] {
  const stub = ledger.deliveries.get(deliveryId)
  if (stub === undefined || stub.registered || stub.statusFact === '') return []
  const delivery: DeliveryRow = foldDelivery(stub, request, null)
  const isForwarded = stub.forwarded || (stub.reportedDomain !== null && stub.reportedDomain !== delivery.domain)
  const { status, subStatus, asynchronous, reason, permanence, fault, weak, engaged } = stub
  const effect: StatusEffect = { status, subStatus, asynchronous, reason, permanence, fault, weak, engaged, forwarded: isForwarded }
  if (!isPermanentUnknownUser(effect)) return []
  return updateBounceList({
    ledger,
    delivery,
    effect,
    verdict: null,
    cause: stub.statusFact,
    proof: 'token',
    isQueueReply: false,
    settings,
    moment,
  })
}

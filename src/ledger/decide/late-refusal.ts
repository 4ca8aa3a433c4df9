/**
 * late-refusal - a list of ours refuses a message that waited for its send time, though no list did when it was accepted
 *
 * Pure. See also: ledger/suppress/suppression (findListRefusal), ledger/decide/request (the same at acceptance), service/deliver/send-time-check.
 */
import { createFactBatch } from '../facts/fact-batch.ts'
import type { Fact } from '../facts/fact.ts'
import { type FactMoment, aboutDelivery } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import type { DeliveryRow, LedgerState } from '../project/state.ts'
import { findListRefusal } from '../suppress/suppression.ts'
import { createLocalFailure, listFailureOf } from './local-failure.ts'

type LateRefusalInput = {
  /** With the list entries of the delivery's address and of its domain. */
  readonly ledger: LedgerState
  readonly delivery: DeliveryRow
  readonly settings: AccountSettings
  readonly moment: FactMoment
}

/** The fact of the refusal; none if no list refuses the recipient now, or if the delivery has ended. */
export function decideLateRefusal({ ledger, delivery, settings, moment }: LateRefusalInput): readonly Fact[] {
  const { account, addressHash, domain, label, apiUser, site } = delivery
  if (delivery.status !== 18 || addressHash === null) return []
  const addressee = { account, addressHash, domain, label, apiUser, usesSharedList: settings.sharedList }
  const refusal = findListRefusal(ledger, addressee, moment.at)
  if (refusal === null) return []
  const batch = createFactBatch(ledger)
  batch.add(createLocalFailure(aboutDelivery(delivery), listFailureOf(refusal), { site, settingsVersion: settings.version, moment }))
  return batch.facts
}

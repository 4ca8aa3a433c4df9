/**
 * deleted - an operator deletes a message from our own queue before it is delivered
 *
 * It ends like a recipient that the sender's list leaves out: 409 with fault `list`, not billable, and without effect on the address.
 *
 * Pure. See also: ledger/decide/effect (EXCLUDED_EFFECT), queue/schedule/operator-commands (delete).
 */
import { createFactBatch } from '../facts/fact-batch.ts'
import { EXCLUDED_EFFECT } from './effect.ts'
import type { Fact } from '../facts/fact.ts'
import { createFact, type FactMoment, aboutDelivery } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import type { DeliveryRow, LedgerState } from '../project/state.ts'

type DeletedInput = {
  readonly ledger: LedgerState
  readonly delivery: DeliveryRow
  readonly settings: AccountSettings
  readonly moment: FactMoment
}

/** The facts of one deleted message; none if its delivery has ended. */
export function decideDeleted({ ledger, delivery, settings, moment }: DeletedInput): readonly Fact[] {
  if (delivery.status !== 18) return []
  const batch = createFactBatch(ledger)
  batch.add(
    createFact('failed', aboutDelivery(delivery), moment, {
      source: 'list',
      reported: null,
      reportedDomain: null,
      reportStatus: null,
      remoteMta: null,
      site: delivery.site,
      remoteSite: null,
      text: 'deleted from the queue before it was delivered',
      verdict: null,
      effect: EXCLUDED_EFFECT,
      tie: null,
      digest: null,
      billable: false,
      settingsVersion: settings.version,
    }),
  )
  return batch.facts
}

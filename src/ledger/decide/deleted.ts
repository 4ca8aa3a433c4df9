/**
 * deleted - mail that waited in our own queue, and was taken out before it was delivered
 *
 * It ends as what a sender's list leaves out: 409 by the fault of the list, it costs nothing, and the address is as good as before.
 *
 * Pure. See also: ledger/decide/effect (LEFT_OUT), queue/schedule/operator-commands (delete).
 */
import { createFactBatch } from '../facts/fact-batch.ts'
import { EXCLUDED_EFFECT } from './effect.ts'
import type { Fact } from '../facts/fact.ts'
import { createFact, type FactMoment, aboutDelivery } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import type { DeliveryRow, LedgerState } from '../project/state.ts'

export type DeletedInput = {
  readonly ledger: LedgerState
  readonly delivery: DeliveryRow
  readonly settings: AccountSettings
  readonly moment: FactMoment
}

/** The facts of one mail that was deleted; none for one that has ended. */
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

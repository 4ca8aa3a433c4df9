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
import { type FactMoment, aboutDelivery } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import type { DeliveryRow, LedgerState } from '../project/state.ts'
import { createLocalFailure, type LocalFailure } from './local-failure.ts'

type DeletedInput = {
  readonly ledger: LedgerState
  readonly delivery: DeliveryRow
  readonly settings: AccountSettings
  readonly moment: FactMoment
}

const DELETED: LocalFailure = {
  source: 'list',
  effect: EXCLUDED_EFFECT,
  text: 'deleted from the queue before it was delivered',
  billable: false,
}

/** The facts of one deleted message; none if its delivery has ended. */
export function decideDeleted({ ledger, delivery, settings, moment }: DeletedInput): readonly Fact[] {
  if (delivery.status !== 18) return []
  const batch = createFactBatch(ledger)
  batch.add(createLocalFailure(aboutDelivery(delivery), DELETED, { site: delivery.site, settingsVersion: settings.version, moment }))
  return batch.facts
}

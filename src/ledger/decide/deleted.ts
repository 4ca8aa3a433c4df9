/**
 * deleted - mail that waited in our own queue, and was taken out before it was delivered
 *
 * It ends as what a sender's list leaves out: 409 by the fault of the list, it costs nothing, and the address is as good as before.
 *
 * Pure. See also: ledger/decide/effect (LEFT_OUT), queue/schedule/operator-commands (delete).
 */
import { draftFor } from '../facts/fact-batch.ts'
import { LEFT_OUT } from './effect.ts'
import type { Fact } from '../facts/fact.ts'
import { makeFact, type Moment, ofDelivery } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import type { DeliveryRow, World } from '../project/state.ts'

export type DeletedInput = {
  readonly world: World
  readonly delivery: DeliveryRow
  readonly settings: AccountSettings
  readonly moment: Moment
}

/** The facts of one mail that was deleted; none for one that has ended. */
export function decideDeleted({ world, delivery, settings, moment }: DeletedInput): readonly Fact[] {
  if (delivery.status !== 18) return []
  const draft = draftFor(world)
  draft.add(
    makeFact('failed', ofDelivery(delivery), moment, {
      source: 'list',
      reported: null,
      reportedDomain: null,
      reportStatus: null,
      remoteMta: null,
      site: delivery.site,
      remoteSite: null,
      text: 'deleted from the queue before it was delivered',
      verdict: null,
      effect: LEFT_OUT,
      tie: null,
      digest: null,
      billable: false,
      settingsVersion: settings.version,
    }),
  )
  return draft.facts
}

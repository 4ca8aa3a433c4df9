/**
 * local-failure - the fact that a message ends here, without a reply of a receiver: a list of ours, its address, or a person decided
 *
 * Pure. See also: ledger/decide/request, ledger/decide/deleted, ledger/decide/late-refusal.
 */
import type { ListRefusal } from '../suppress/suppression.ts'
import { localRefusalEffectOf } from './effect.ts'
import type { StatusEffect } from '../facts/decision.ts'
import type { FailedData } from '../facts/delivery-facts.ts'
import type { FactOf } from '../facts/fact.ts'
import { createFact, type FactMoment, type FactSubject } from '../facts/new-fact.ts'

export type LocalFailure = {
  readonly source: FailedData['source']
  readonly effect: StatusEffect
  readonly text: string
  readonly billable: boolean
}

/** The end of a message by an entry of a list. */
export const listFailureOf = ({ reason, text, billable }: ListRefusal): LocalFailure => ({
  source: 'list',
  effect: localRefusalEffectOf(reason),
  text,
  billable,
})

/** The fact. */
export function createLocalFailure(
  subject: FactSubject,
  { source, effect, text, billable }: LocalFailure,
  { site, settingsVersion, moment }: { readonly site: string | null; readonly settingsVersion: number; readonly moment: FactMoment },
): FactOf<'failed'> {
  return createFact('failed', subject, moment, {
    source,
    reported: null,
    reportedDomain: null,
    reportStatus: null,
    remoteMta: null,
    site,
    remoteSite: null,
    text,
    verdict: null,
    effect,
    tie: null,
    digest: null,
    billable,
    settingsVersion,
  })
}

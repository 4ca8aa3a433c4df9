/**
 * attempt - what one SMTP dialogue, or the end of all of them, changes
 *
 * A 2xx delivers; a refusal ends the delivery if it is final (a 5xx that no rule calls a deferral is, unless the sender says otherwise);
 * anything else leaves it sending. What nobody closes is given up after the account's time, with the reason that it was retried for.
 * Telling the same outcome twice changes nothing.
 *
 * Pure. See also: ledger/suppress/bounce-list, ledger/decide/effect, service/submit/reported-attempts.
 */
import { type Reason, REASONS } from '../../classify/reasons.ts'
import type { Verdict } from '../../classify/verdict.ts'
import { discardHeld, feedBounceList } from '../suppress/bounce-list.ts'
import { draftFor } from '../facts/fact-batch.ts'
import { DELIVERED, effectOf, summarise } from './effect.ts'
import type { AttemptData, AttemptError, Effect, Fact } from '../facts/fact.ts'
import { DAY_MS, historyOf, isEngaged, isPermanentUnknown } from '../suppress/address-history.ts'
import { makeFact, type Moment, ofDelivery } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import type { DeliveryRow, World } from '../project/state.ts'

/** What was heard. `n` null: the sender does not number its attempts. */
export type Heard = {
  readonly n: number | null
  readonly code: number | null
  readonly status: string | null
  readonly text: string
  readonly error: AttemptError | null
  readonly mx: string | null
  readonly egressIp: string | null
  /** The receiving site by MX and domain (classify/provider). */
  readonly site: string
  /** Null: as the answer says. */
  readonly final: boolean | null
  readonly source: 'queue' | 'api'
}

export type AttemptInput = {
  readonly world: World
  readonly delivery: DeliveryRow
  readonly heard: Heard
  /** Null for a 2xx. */
  readonly verdict: Verdict | null
  readonly settings: AccountSettings
  readonly moment: Moment
}

const MAX_TEXT = 2_048

/** The facts of one attempt. */
export function decideAttempt(input: AttemptInput): readonly Fact[] {
  const { world, delivery, heard, verdict, settings, moment } = input
  const draft = draftFor(world)
  const isDelivered = isAccepted(heard.code)
  const final = isFinal(heard, verdict)
  const route = { ...delivery, site: heard.site, remoteSite: null, mx: heard.mx ?? delivery.mx }
  const effect = isDelivered ? DELIVERED : final && verdict !== null ? refusal(input, verdict) : null
  const data: AttemptData = {
    n: heard.n,
    code: heard.code,
    status: heard.status,
    text: heard.text.slice(0, MAX_TEXT),
    error: heard.error,
    mx: heard.mx,
    egressIp: heard.egressIp,
    site: heard.site,
    final,
    source: heard.source,
    verdict: verdict === null || isDelivered ? null : summarise(verdict),
    effect,
    settingsVersion: settings.version,
  }
  const fact = makeFact('attempt', ofDelivery(delivery), moment, data)
  draft.addWith(fact, () => {
    if (effect === null) return []
    if (isDelivered) return discardHeld({ world, delivery, cause: fact.id, settings, moment })
    const feedsShared = heard.source === 'queue'
    return feedBounceList({
      world,
      delivery: route,
      effect,
      verdict: data.verdict,
      cause: fact.id,
      proof: null,
      feedsShared,
      settings,
      moment,
    })
  })
  return draft.facts
}

const isAccepted = (code: number | null): boolean => code !== null && code >= 200 && code < 300

/** What the sender says; else 2xx, and a 5xx that no rule calls a deferral. */
function isFinal(heard: Heard, verdict: Verdict | null): boolean {
  if (isAccepted(heard.code)) return true
  return heard.final ?? (heard.code !== null && heard.code >= 500 && verdict?.deferral !== true)
}

function refusal({ world, delivery, heard, settings, moment }: AttemptInput, verdict: Verdict): Effect {
  const effect = effectOf({
    verdict,
    asynchronous: false,
    policy: settings.statusPolicy,
    code: heard.code,
    forwarded: false,
    engaged: false,
  })
  const history = delivery.addressHash === null ? [] : historyOf(world, delivery.account, delivery.addressHash)
  return isPermanentUnknown(effect) ? { ...effect, engaged: isEngaged(history, moment.at) } : effect
}

export type GiveUpInput = {
  readonly delivery: DeliveryRow
  /** The last attempt that was not final; null: none is known. */
  readonly last: (Pick<AttemptData, 'verdict'> & { readonly text?: string }) | null
  readonly settings: AccountSettings
  readonly moment: Moment
  /** Our own queue has given it up, after so many days by its own ladder. */
  readonly queueDays?: number
}

/** Whether nobody has closed a delivery for so long that it ends. */
export function isOverdue(delivery: DeliveryRow, settings: AccountSettings, now: number): boolean {
  const isWaiting = delivery.registered && delivery.status === 18 && delivery.resultRank < 3
  return isWaiting && settings.giveUpAfterDays > 0 && now - delivery.requestedAt >= settings.giveUpAfterDays * DAY_MS
}

/** The end of a delivery that nobody closed: the reason it was retried for, else `expired`. */
export function decideGiveUp({ delivery, last, settings, moment, queueDays }: GiveUpInput): readonly Fact[] {
  if (queueDays === undefined ? !isOverdue(delivery, settings, moment.receivedAt) : delivery.status !== 18) return []
  const verdict = last?.verdict ?? null
  const effect = effectOf({
    verdict: retriedFor(verdict?.reason ?? 'expired'),
    asynchronous: false,
    policy: settings.statusPolicy,
    code: null,
    forwarded: false,
    engaged: false,
  })
  return [
    makeFact('gave-up', ofDelivery(delivery), moment, {
      afterDays: queueDays ?? settings.giveUpAfterDays,
      text: last?.text ?? '',
      effect,
      verdict,
      settingsVersion: settings.version,
    }),
  ]
}

/** Retrying until the time is up is temporary, whatever it was for. */
function retriedFor(reason: Reason): Pick<Verdict, 'reason' | 'permanence' | 'subStatus' | 'fault' | 'weak'> {
  const row = REASONS[reason]
  return { reason, permanence: 'temporary', subStatus: row.temporary, fault: row.fault, weak: false }
}

/**
 * attempt - what one SMTP delivery attempt, or the end of all attempts, changes
 *
 * A 2xx delivers. A refusal ends the delivery if it is final: by default a 5xx that no rule calls a deferral, unless the sender says
 * otherwise. Any other result leaves the delivery in the state "sending", for ever if nobody reports an outcome: no outcome is not a bounce. An
 * account may set a time limit, after which such a delivery is given up with the reason of its last retry. Reporting an outcome twice changes
 * nothing.
 *
 * Pure. See also: ledger/decide/attempt-reading, ledger/suppress/bounce-list, ledger/decide/effect, service/submit/reported-attempts.
 */
import type { Verdict } from '../../classify/verdict.ts'
import { discardHeldEntries, updateBounceList } from '../suppress/bounce-list.ts'
import { createFactBatch } from '../facts/fact-batch.ts'
import { DELIVERED_EFFECT, effectOf, expiredEffectOf, summariseVerdict } from './effect.ts'
import type { StatusEffect } from '../facts/decision.ts'
import type { AttemptData, AttemptError } from '../facts/delivery-facts.ts'
import type { Fact } from '../facts/fact.ts'
import { DAY_MS, addressHistoryOf, isEngaged, isPermanentUnknownUser } from '../suppress/address-history.ts'
import { createFact, type FactMoment, aboutDelivery } from '../facts/new-fact.ts'
import type { AccountSettings } from '../account-settings.ts'
import { statusRank } from '../project/status-rank.ts'
import type { DeliveryRow, LedgerState } from '../project/state.ts'

/** What was observed. `n` null: the sender does not number its attempts. */
export type ObservedAttempt = {
  readonly n: number | null
  readonly code: number | null
  readonly status: string | null
  readonly text: string
  readonly error: AttemptError | null
  readonly mx: string | null
  readonly egressIp: string | null
  /** The receiving site by MX and domain (classify/provider). */
  readonly site: string
  /** Null: as the reply says. */
  readonly final: boolean | null
  readonly source: AttemptData['source']
  /** Of an attempt that a log names. */
  readonly log?: NonNullable<AttemptData['log']>
}

type AttemptInput = {
  readonly ledger: LedgerState
  readonly delivery: DeliveryRow
  readonly attempt: ObservedAttempt
  /** Null for a 2xx. */
  readonly verdict: Verdict | null
  readonly settings: AccountSettings
  readonly moment: FactMoment
  /** The MTA sent to another domain than the delivery's, by an alias or a forward: a refusal there feeds no list. */
  readonly isForwarded?: boolean
}

const MAX_STORED_TEXT_LENGTH = 2_048

/** The facts of one attempt. */
export function decideAttempt(input: AttemptInput): readonly Fact[] {
  const { ledger, delivery, attempt, verdict, settings, moment } = input
  const batch = createFactBatch(ledger)
  const isDelivered = isSuccessCode(attempt.code)
  const final = isFinalAttempt(attempt, verdict)
  const decided = isDelivered ? DELIVERED_EFFECT : final && verdict !== null ? refusalEffectOf(input, verdict) : null
  const effect = decided !== null && isKnownOutcome(input, decided) ? null : decided
  const data: AttemptData = {
    n: attempt.n,
    code: attempt.code,
    status: attempt.status,
    text: attempt.text.slice(0, MAX_STORED_TEXT_LENGTH),
    error: attempt.error,
    mx: attempt.mx,
    egressIp: attempt.egressIp,
    site: attempt.site,
    final,
    source: attempt.source,
    ...(attempt.log === undefined ? {} : { log: attempt.log }),
    verdict: verdict === null || isDelivered ? null : summariseVerdict(verdict),
    effect,
    settingsVersion: settings.version,
  }
  const fact = createFact('attempt', aboutDelivery(delivery), moment, data)
  batch.addWithConsequences(fact, () => {
    if (effect === null) return []
    const isQueueReply = attempt.source === 'queue'
    if (isDelivered) return discardHeldEntries({ ledger, delivery, cause: fact.id, isQueueReply, settings, moment })
    const routedDelivery = { ...delivery, site: attempt.site, remoteSite: null, mx: attempt.mx ?? delivery.mx }
    const failure = { ledger, delivery: routedDelivery, effect, verdict: data.verdict, cause: fact.id, proof: null, settings, moment }
    return updateBounceList({ ...failure, isQueueReply })
  })
  return batch.facts
}

/**
 * Whether the delivery already has what a log says: the MTA's own report came first, or another line or log said it. It is recorded and moves
 * nothing, so that an outcome makes one webhook event.
 */
const isKnownOutcome = ({ attempt, delivery }: AttemptInput, effect: StatusEffect): boolean =>
  attempt.source === 'log' && delivery.status !== 18 && delivery.statusRank >= statusRank(effect)

const isSuccessCode = (code: number | null): boolean => code !== null && code >= 200 && code < 300

/** As the sender says, else by the reply: a 2xx, or a 5xx that no rule calls a deferral. */
function isFinalAttempt(attempt: ObservedAttempt, verdict: Verdict | null): boolean {
  if (isSuccessCode(attempt.code)) return true
  return attempt.final ?? (attempt.code !== null && attempt.code >= 500 && verdict?.deferral !== true)
}

function refusalEffectOf(
  { ledger, delivery, attempt, settings, moment, isForwarded = false }: AttemptInput,
  verdict: Verdict,
): StatusEffect {
  const effect = effectOf({
    verdict,
    asynchronous: false,
    policy: settings.statusPolicy,
    code: attempt.code,
    forwarded: isForwarded,
    engaged: false,
  })
  const history = delivery.addressHash === null ? [] : addressHistoryOf(ledger, delivery.account, delivery.addressHash)
  return isPermanentUnknownUser(effect) ? { ...effect, engaged: isEngaged(history, moment.at) } : effect
}

type GiveUpInput = {
  readonly delivery: DeliveryRow
  /** The last attempt that was not final; null: none is known. */
  readonly lastAttempt: (Pick<AttemptData, 'verdict'> & { readonly text?: string }) | null
  readonly settings: AccountSettings
  readonly moment: FactMoment
  /** Set if our own queue gave up: its retry limit in days. */
  readonly queueLifetimeDays?: number
}

/** Whether a delivery without an outcome has exceeded the account's time limit. Without a limit: never. */
export function isOverdue(delivery: DeliveryRow, settings: AccountSettings, now: number): boolean {
  const isWaiting = delivery.registered && delivery.status === 18 && delivery.resultRank < 3
  return isWaiting && settings.giveUpAfterDays > 0 && now - delivery.requestedAt >= settings.giveUpAfterDays * DAY_MS
}

/** Ends a delivery without an outcome, with the reason of its last retry, else `expired`. */
export function decideGiveUp({ delivery, lastAttempt, settings, moment, queueLifetimeDays }: GiveUpInput): readonly Fact[] {
  if (queueLifetimeDays === undefined ? !isOverdue(delivery, settings, moment.receivedAt) : delivery.status !== 18) return []
  const verdict = lastAttempt?.verdict ?? null
  const effect = expiredEffectOf(verdict?.reason ?? 'expired', settings.statusPolicy)
  return [
    createFact('gave-up', aboutDelivery(delivery), moment, {
      afterDays: queueLifetimeDays ?? settings.giveUpAfterDays,
      text: lastAttempt?.text ?? '',
      effect,
      verdict,
      settingsVersion: settings.version,
    }),
  ]
}

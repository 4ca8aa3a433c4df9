/**
 * record-attempt - the one way by which the outcome of an attempt of another MTA becomes facts
 *
 * Reported attempts (`POST /v1/attempts`) and the lines of logs come here: classification by the rules in force, decision, and the facts applied to
 * the loaded state.
 *
 * See also: ledger/decide/attempt (what changes), service/submit/reported-attempts, service/follow/record-lines.
 */
import type { Verdict } from '../../classify/verdict.ts'
import type { AccountSettings } from '../../ledger/account-settings.ts'
import { classifyAttempt } from '../../ledger/decide/attempt-reading.ts'
import { decideAttempt, type ObservedAttempt } from '../../ledger/decide/attempt.ts'
import type { FactOf } from '../../ledger/facts/fact.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { ReportedOutcome } from '../../queue/advice/advice-machine.ts'
import { reportedOutcomeOf } from '../advise/reported-outcomes.ts'
import type { Context } from '../context.ts'
import type { LedgerTransaction } from '../transact.ts'

type AttemptToRecord = {
  readonly delivery: DeliveryRow
  readonly attempt: ObservedAttempt
  readonly settings: AccountSettings
  /** When it ended (epoch ms); null: now. A later time is read as now. */
  readonly at: number | null
  readonly isForwarded?: boolean
}

export type AttemptRecord = {
  /** Null: the attempt was recorded before. */
  readonly fact: FactOf<'attempt'> | null
  readonly verdict: Verdict | null
  /** The delivery afterwards. */
  readonly row: DeliveryRow
  /** What it teaches the backoff keys of the account's MTA (service/advise); null: nothing, or too late. */
  readonly outcome: ReportedOutcome | null
}

/** Records one attempt. Recording it twice changes nothing. */
export function recordExternalAttempt(
  context: Context,
  { ledgerState: ledger, moment: present, apply }: Pick<LedgerTransaction, 'ledgerState' | 'moment' | 'apply'>,
  { delivery, attempt, settings, at, isForwarded = false }: AttemptToRecord,
): AttemptRecord {
  const moment = { ...present, at: Math.min(at ?? present.at, present.at) }
  const verdict = attempt.code !== null && attempt.code < 300 ? null : classifyAttempt(context.rules(), delivery.domain, attempt)
  const facts = decideAttempt({ ledger, delivery, attempt, verdict, settings, moment, isForwarded })
  apply(facts)
  const events = facts.map(({ kind, id }) => `${kind} ${id}`)
  const { account, deliveryId } = delivery
  const { reason, rule } = verdict ?? {}
  context.telemetry.log.debug({ account, deliveryId, code: attempt.code, reason, rule, events }, 'attempt of another MTA decided')
  const fact = facts.find((each): each is FactOf<'attempt'> => each.kind === 'attempt') ?? null
  return {
    fact,
    verdict,
    outcome: fact === null ? null : reportedOutcomeOf(context.rules(), { delivery, attempt, verdict, at: moment.at }, present.at),
    row: ledger.deliveries.get(deliveryId) ?? delivery,
  }
}

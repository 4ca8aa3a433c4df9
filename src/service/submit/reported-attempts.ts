/**
 * reported-attempts - records delivery attempts that a sender made with its own MTA
 *
 * Classifies the SMTP replies like those in reports, with `asynchronous: false`. One transaction for all attempts of a request; recording an
 * attempt twice changes nothing. An unknown emailId gets `known: false` and stores nothing. Recent outcomes also feed the advice to the account's MTA.
 *
 * See also: service/submit/record-attempt, http/api/attempts.
 */
import { siteOf } from '../../classify/provider.ts'
import type { DeliveryStatus } from '../../ledger/facts/decision.ts'
import type { AccountSettings } from '../../ledger/account-settings.ts'
import type { ObservedAttempt } from '../../ledger/decide/attempt.ts'
import type { DialogueError } from '../../ledger/facts/delivery-facts.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { parseReply } from '../../mail/smtp/reply.ts'
import { accountScopedKey } from '../../store/facts/ledger-state.ts'
import type { ReportedOutcome } from '../../queue/advice/advice-machine.ts'
import { addAdviceInputsForOperator } from '../../store/queue/advice.ts'
import { toInputRow } from '../advise/reported-outcomes.ts'
import type { Caller } from '../caller.ts'
import type { Context } from '../context.ts'
import { transact, type LedgerTransaction } from '../transact.ts'
import { recordExternalAttempt, type AttemptRecord } from './record-attempt.ts'

export type ReportedAttempt = {
  readonly emailId: string
  readonly code: number | null
  readonly text: string
  readonly error: DialogueError | null
  readonly mx: string | null
  readonly egressIp: string | null
  readonly attempt: number | null
  readonly final: boolean | null
  /** When the attempt ended (epoch ms); null: now. */
  readonly at: number | null
}

/** `known` is false if no delivery of the account has this emailId. `fresh` is false if the attempt was recorded before. */
type ReportedAttemptResult = {
  readonly emailId: string
  readonly known: boolean
  readonly fresh: boolean
  readonly final: boolean
  readonly status: DeliveryStatus | null
  readonly subStatus: number | null
  readonly reason: string | null
  readonly permanence: string | null
  readonly rule: string | null
}

export type ReportAttempts = (caller: Caller, reportedAttempts: readonly ReportedAttempt[]) => Promise<readonly ReportedAttemptResult[]>

/** Creates the service. Faults of a call: store_busy. */
export function createReportAttempts(context: Context): ReportAttempts {
  return async (caller, reportedAttempts) => {
    const { account } = caller
    const settings = (await context.accountCache.snapshot()).settingsOf(account)
    const emailIds = [...new Set(reportedAttempts.map(({ emailId }) => emailId))].map((emailId) => ({ account, emailId }))
    const needs = { emailIds, history: true, sharedList: settings.sharedList, sitesAt: context.now() }
    const { results, facts } = await transact(context, needs, async (transaction) => {
      const outcomes: ReportedOutcome[] = []
      const recorded = reportedAttempts.map((reported) => recordReported(context, transaction, { account, settings, reported, outcomes }))
      const { db, moment } = transaction
      if (outcomes.length > 0) await addAdviceInputsForOperator(db, [toInputRow(context, account, { outcomes }, moment.at)])
      return { result: { results: recorded, facts: transaction.ledgerState.newFacts } }
    })
    context.counterBuffer.count(facts)
    for (const { status } of results) context.telemetry.count('bounced_attempts_total', { outcome: String(status ?? 'unknown') })
    return results
  }
}

type AttemptInput = {
  readonly account: number
  readonly settings: AccountSettings
  readonly reported: ReportedAttempt
  /** Gets what the attempt teaches the backoff keys of the account's MTA. */
  readonly outcomes: ReportedOutcome[]
}

function recordReported(
  context: Context,
  transaction: LedgerTransaction,
  { account, settings, reported, outcomes }: AttemptInput,
): ReportedAttemptResult {
  const id = transaction.byEmailId.get(accountScopedKey(account, reported.emailId))?.deliveryId
  const delivery = id === undefined ? undefined : transaction.ledgerState.deliveries.get(id)
  if (delivery === undefined) return unknownDelivery(reported)
  const attempt = attemptOf(context, delivery, reported)
  const record = recordExternalAttempt(context, transaction, { delivery, attempt, settings, at: reported.at })
  if (record.outcome !== null) outcomes.push(record.outcome)
  return resultOf(reported, record)
}

function attemptOf(context: Context, delivery: DeliveryRow, reported: ReportedAttempt): ObservedAttempt {
  const reply = parseReply(reported.code === null ? reported.text : `${reported.code} ${reported.text}`)
  return {
    n: reported.attempt,
    code: reported.code,
    status: reply.status,
    text: reported.text,
    error: reported.error,
    mx: reported.mx,
    egressIp: reported.egressIp,
    site: siteOf(context.rules(), { mx: reported.mx, domain: delivery.domain }).site,
    final: reported.final,
    source: 'api',
  }
}

function resultOf(reported: ReportedAttempt, { fact, verdict, row }: AttemptRecord): ReportedAttemptResult {
  return {
    emailId: reported.emailId,
    known: true,
    fresh: fact !== null,
    final: fact?.data.final ?? row.status !== 18,
    status: row.status,
    subStatus: row.subStatus,
    reason: verdict?.reason ?? null,
    permanence: verdict?.permanence ?? null,
    rule: verdict?.rule ?? null,
  }
}

function unknownDelivery({ emailId }: ReportedAttempt): ReportedAttemptResult {
  return { emailId, known: false, fresh: false, final: false, status: null, subStatus: null, reason: null, permanence: null, rule: null }
}

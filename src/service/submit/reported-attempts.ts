/**
 * reported-attempts - what senders that deliver themselves have heard in their SMTP dialogues
 *
 * The same classification as for reports, with `asynchronous: false`. One transaction for all attempts of a request; telling one twice
 * changes nothing. An emailId that the account does not have is answered `known: false` and leaves nothing behind.
 *
 * See also: ledger/decide/attempt, http/api/attempts.
 */
import { siteOf } from '../../classify/provider.ts'
import type { Verdict } from '../../classify/verdict.ts'
import { classifyAttempt } from '../../ledger/decide/attempt-reading.ts'
import { decideAttempt, type ObservedAttempt } from '../../ledger/decide/attempt.ts'
import type { AttemptError } from '../../ledger/facts/delivery-facts.ts'
import type { FactOf } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { parseReply } from '../../mail/smtp/reply.ts'
import { accountScopedKey, loadLedgerState } from '../../store/facts/ledger-state.ts'
import { logAlarms } from '../alarm-log.ts'
import { commitLedgerState } from '../commit.ts'
import type { Caller } from '../caller.ts'
import type { Context } from '../context.ts'

export type ReportedAttempt = {
  readonly emailId: string
  readonly code: number | null
  readonly text: string
  readonly error: AttemptError | null
  readonly mx: string | null
  readonly egressIp: string | null
  readonly attempt: number | null
  readonly final: boolean | null
  /** When it was heard; null: now. */
  readonly at: number | null
}

/** `known` false: no mail of the account has this emailId. `fresh` false: it was recorded before. */
export type ReportedAttemptResult = {
  readonly emailId: string
  readonly known: boolean
  readonly fresh: boolean
  readonly final: boolean
  readonly status: number | null
  readonly subStatus: number | null
  readonly reason: string | null
  readonly permanence: string | null
  readonly rule: string | null
}

export type ReportAttempts = (by: Caller, reportedAttempts: readonly ReportedAttempt[]) => Promise<readonly ReportedAttemptResult[]>

/** Makes the door. Faults of a call: store_busy. */
export function createReportAttempts(context: Context): ReportAttempts {
  return async (by, reportedAttempts) => {
    const snapshot = await context.accountCache.snapshot()
    const settings = snapshot.settingsOf(by.account)
    const now = context.now()
    const { answers, fresh } = await context.engine.tx(async (db) => {
      const emailIds = [...new Set(reportedAttempts.map(({ emailId }) => emailId))].map((emailId) => ({ account: by.account, emailId }))
      const { ledgerState, byEmailId } = await loadLedgerState(db, {
        emailIds,
        history: true,
        sharedList: settings.sharedList,
        sitesAt: now,
      })
      const results = reportedAttempts.map((reported) => {
        const id = byEmailId.get(accountScopedKey(by.account, reported.emailId))?.deliveryId
        const delivery = id === undefined ? undefined : ledgerState.deliveries.get(id)
        if (delivery === undefined) return unknownDelivery(reported)
        const moment = { at: Math.min(reported.at ?? now, now), receivedAt: now, ids: context.ids }
        const attempt = attemptOf(context, delivery, reported)
        const verdict = reported.code !== null && reported.code < 300 ? null : classifyAttempt(context.rules(), delivery.domain, attempt)
        const facts = decideAttempt({ ledger: ledgerState, delivery, attempt, verdict, settings, moment })
        applyFacts(ledgerState, facts)
        const fact = facts.find((each): each is FactOf<'attempt'> => each.kind === 'attempt')
        return resultOf(reported, ledgerState.deliveries.get(delivery.deliveryId) ?? delivery, { fact: fact ?? null, verdict })
      })
      await commitLedgerState(db, ledgerState, { now, notify: () => true })
      return { answers: results, fresh: ledgerState.newFacts }
    })
    logAlarms(context.telemetry, fresh)
    context.counterBuffer.count(fresh)
    for (const { status } of answers) context.telemetry.count('bounced_attempts_total', { outcome: String(status ?? 'unknown') })
    return answers
  }
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

function resultOf(
  reported: ReportedAttempt,
  row: DeliveryRow,
  { fact, verdict }: { fact: FactOf<'attempt'> | null; verdict: Verdict | null },
): ReportedAttemptResult {
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

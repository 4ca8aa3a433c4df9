/**
 * alerts - figures are held against their thresholds, what changes is told: fact, webhook, log, metric, mail
 *
 * How each alert stands lies in the store, so that a restart neither repeats nor forgets one; one node evaluates at a time. A mail is sent
 * after the commit and tried again until the smart host has taken it; where an alert changes meanwhile, only its last state is mailed.
 *
 * See also: ledger/alert/alert, ledger/alert/alert-rules, service/alerts/alert-measures, mail-auth/alert-mailer, docs/ALERTS.md.
 */
import type { AlertMail, AlertMailer } from '../../mail-auth/alert-mailer.ts'
import { decideAlert, type AlertRow } from '../../ledger/alert/alert.ts'
import { applyThresholdChanges, DEFAULT_ALERT_THRESHOLDS, type AlertThresholds } from '../../ledger/alert/alert-rules.ts'
import type { Fact, FactOf } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { claimAlertMailsForOperator, listAlertsForOperator, saveAlertsForOperator, markAlertMailed } from '../../store/alerts.ts'
import { findFactsBySubject } from '../../store/facts/facts.ts'
import { loadLedgerState } from '../../store/facts/ledger-state.ts'
import { measureAlerts, type TimedAlertMeasurement } from './alert-measures.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { commitLedgerState } from '../commit.ts'
import type { Context } from '../context.ts'

export type AlertRules = {
  /** Changes of thresholds, for all accounts (ledger/alert/alert-rules). */
  readonly rules: readonly string[]
  /** Who is mailed of every alert. */
  readonly mailTo: readonly string[]
}

export type AlertOptions = {
  readonly rules: AlertRules
  /** Null: nobody is mailed. */
  readonly mailer: AlertMailer | null
  /** The account that the installation's alerts are told to; 0: nobody's. */
  readonly operator: () => Promise<number>
}

export type AlertEvaluator = {
  /** Measures, decides, tells. Faults: store_busy. */
  readonly evaluate: () => Promise<readonly FactOf<'alert'>[]>
  /** Sends what is still to be mailed. Faults: store_busy; a mail that cannot be sent is tried again. */
  readonly sendMails: () => Promise<void>
}

/** A mail that was not taken is tried again with the next evaluation. */
const MAIL_LEASE_MS = 240_000

export function createAlertEvaluator(context: Context, options: AlertOptions): AlertEvaluator {
  return { evaluate: () => evaluate(context, options), sendMails: () => sendAlertMails(context, options) }
}

/** The thresholds of an account: the table's, the operator's, its own. */
export function thresholdsOf(snapshot: AccountSnapshot, rules: AlertRules, account: number): AlertThresholds {
  return applyThresholdChanges(applyThresholdChanges(DEFAULT_ALERT_THRESHOLDS, rules.rules), snapshot.settingsOf(account).alertRules)
}

async function evaluate(context: Context, { rules, operator }: AlertOptions): Promise<readonly FactOf<'alert'>[]> {
  await context.counterBuffer.flush(context.engine)
  const snapshot = await context.accountCache.snapshot()
  const accounts = snapshot.accounts.flatMap((each) => (each.closedAt === null && each.offlineFor === null ? [each.account] : []))
  const now = context.now()
  const known = await listAlertsForOperator(context.engine.read)
  const measurements = await measureAlerts({ reader: context.engine.read, now, accounts, operator: await operator(), rows: known })
  const moment = { at: now, receivedAt: now, ids: context.ids }
  const facts = await context.engine.tx(
    async (db) => {
      const rows = new Map((await listAlertsForOperator(db)).map((row) => [keyOf(row), row]))
      const seen = new Map(
        [...vanishedMeasurements([...rows.values()]), ...measurements].map((measurement) => [keyOf(measurement), measurement]),
      )
      const decided = [...seen].map(([key, measurement]) => {
        const threshold = thresholdsOf(snapshot, rules, measurement.account)[measurement.alert] ?? null
        return decideAlert(rows.get(key) ?? null, { measurement, threshold, from: measurement.from }, moment)
      })
      const changes = decided.flatMap(({ fact }) => fact ?? [])
      const { ledgerState } = await loadLedgerState(db, { subjects: changes.map(({ account, subject }) => ({ account, subject })) })
      applyFacts(ledgerState, changes)
      await commitLedgerState(db, ledgerState, { now, notify: () => true })
      await saveAlertsForOperator(
        db,
        rowsToKeep(
          decided.map(({ row }) => row),
          rows,
        ),
      )
      return changes
    },
    { visibility: 'latest', lockName: 'alerts' },
  )
  await logAlerts(context, facts)
  return facts
}

const keyOf = ({ account, alert, about }: Pick<AlertRow, 'account' | 'alert' | 'about'>): string => `${account}/${alert}/${about}`

/** What was measured before, and may be no more: a lane that sends again, an endpoint that was removed. */
function vanishedMeasurements(rows: readonly AlertRow[]): readonly TimedAlertMeasurement[] {
  return rows
    .filter(({ state, data }) => state === 'raised' || data.from !== null)
    .map(({ account, alert, about }) => ({ account, alert, about, value: VALUE_WHEN_VANISHED[alert] ?? null, volume: 0, from: null }))
}

/** A lane that is not there stands still no longer; an endpoint that is off fails no longer. */
const VALUE_WHEN_VANISHED: Readonly<Partial<Record<AlertRow['alert'], number>>> = { 'lane-paused': 0, 'webhook-failing': 0 }

/** Figures that were never too high leave no row, but for those whose beginning must be remembered. */
function rowsToKeep(rows: readonly AlertRow[], known: ReadonlyMap<string, AlertRow>): readonly AlertRow[] {
  const kept = rows.filter((row) => row.change > 0 || row.data.from !== null || known.has(keyOf(row)))
  return kept.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

async function logAlerts({ telemetry, engine }: Context, facts: readonly FactOf<'alert'>[]): Promise<void> {
  for (const { account, id: eventId, data } of facts) {
    const { alert, about, state, value, volume } = data
    telemetry.count('bounced_alerts_total', { alert, state })
    telemetry.log.warn(
      { account, alert, about, state, value, volume, eventId },
      state === 'raised' ? 'an alert is raised' : 'an alert is over',
    )
  }
  const raised = (await listAlertsForOperator(engine.read)).filter(({ state }) => state === 'raised')
  telemetry.setGauge('bounced_alerts_raised', raised.length)
}

async function sendAlertMails(context: Context, { rules, mailer }: AlertOptions): Promise<void> {
  if (mailer === null) return
  const now = context.now()
  const due = await context.engine.tx((db) => claimAlertMailsForOperator(db, now, now + MAIL_LEASE_MS), { visibility: 'latest' })
  const snapshot = await context.accountCache.snapshot()
  const facts = await findFactsBySubject(
    context.engine.read,
    due.map(({ account, alert, about }) => ({ account, subject: `alert:${alert}:${about}` })),
  )
  for (const row of due) {
    const to = [...new Set([...rules.mailTo, ...snapshot.settingsOf(row.account).alertEmails])]
    const fact = facts.find(({ id }) => id === row.factId)
    const isDone = to.length === 0 || fact?.kind !== 'alert' || (await mailer.send(alertMailOf(snapshot, fact, to)))
    if (isDone) await context.engine.tx((db) => markAlertMailed(db, row))
    else context.telemetry.log.error({ alert: row.alert, account: row.account }, 'an alert could not be mailed; it is tried again')
  }
}

function alertMailOf(snapshot: AccountSnapshot, { id, at, account, data }: FactOf<'alert'> & Fact, to: readonly string[]): AlertMail {
  const { alert, about, state, text, value, volume, raise, clear, minimum } = data
  const name = snapshot.accounts.find((each) => each.account === account)?.name ?? 'the operator'
  const lines = [
    text,
    '',
    `account    ${name}`,
    `alert      ${alert}${about === '' ? '' : ` ${about}`}`,
    `value      ${value ?? 'not measured'} (volume ${volume})`,
    `threshold  raised at ${raise}, over at ${clear}, from a volume of ${minimum} on`,
    `since      ${new Date(at).toISOString()}`,
  ]
  return { id, to, subject: `[bounced] ${alert} ${state}: ${name}${about === '' ? '' : `, ${about}`}`, text: lines.join('\n') }
}

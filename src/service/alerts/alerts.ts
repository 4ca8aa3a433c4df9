/**
 * alerts - compares measurements with thresholds, and raises or clears alerts
 *
 * A change creates a fact, a webhook event, a log line, a metric and a mail. The state of each alert is stored, so that a restart neither
 * repeats nor loses one. One node evaluates at a time. Mails are sent after the commit and retried until the relay accepts them; if an alert
 * changes in between, only its last state is mailed.
 *
 * See also: ledger/alert/alert, ledger/alert/alert-rules, service/alerts/alert-measures, mail-auth/alert-mailer, docs/ALERTS.md.
 */
import type { AlertMail, AlertMailer } from '../../mail-auth/alert-mailer.ts'
import { decideAlert, type AlertRow } from '../../ledger/alert/alert.ts'
import type {} from '../../ledger/alert/alert-state.ts'
import { applyThresholdChanges, DEFAULT_ALERT_THRESHOLDS, type AlertThresholds } from '../../ledger/alert/alert-rules.ts'
import type { Fact, FactOf } from '../../ledger/facts/fact.ts'
import type { FactMoment } from '../../ledger/facts/new-fact.ts'
import { claimAlertMailsForOperator, listAlertsForOperator, saveAlertsForOperator, markAlertMailed } from '../../store/alerts.ts'
import { findFactsBySubject } from '../../store/facts/facts.ts'
import type { Database } from '../../store/engine/engine.ts'
import { measureAlerts, type TimedAlertMeasurement } from './alert-measures.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

export type AlertRules = {
  /** Changes to the thresholds of all accounts (grammar: ledger/alert/alert-rules). */
  readonly rules: readonly string[]
  /** Addresses that receive a mail about every alert. */
  readonly mailTo: readonly string[]
}

type AlertOptions = {
  readonly rules: AlertRules
  /** Null: no mails are sent. */
  readonly mailer: AlertMailer | null
  /** The account that receives the alerts of the installation; 0 if there is none. */
  readonly operator: () => Promise<number>
}

type AlertEvaluator = {
  /** Measures, and stores what changed. Resolves to the facts of alerts that were raised or cleared. Faults: store_busy. */
  readonly evaluate: () => Promise<readonly FactOf<'alert'>[]>
  /** Sends pending alert mails. A mail that cannot be sent is retried by a later call. Faults: store_busy. */
  readonly sendMails: () => Promise<void>
}

/** After this time another call, on any node, retries a mail that was not sent: with the next evaluation. */
const MAIL_LEASE_MS = 240_000

export function createAlertEvaluator(context: Context, options: AlertOptions): AlertEvaluator {
  return { evaluate: () => evaluate(context, options), sendMails: () => sendAlertMails(context, options) }
}

/** The thresholds of an account: the defaults, changed by the operator's rules, then by its own. */
export function thresholdsOf(snapshot: AccountSnapshot, rules: AlertRules, account: number): AlertThresholds {
  return applyThresholdChanges(applyThresholdChanges(DEFAULT_ALERT_THRESHOLDS, rules.rules), snapshot.settingsOf(account).alertRules)
}

async function evaluate(context: Context, { rules, operator }: AlertOptions): Promise<readonly FactOf<'alert'>[]> {
  await context.counterBuffer.flush(context.engine)
  const snapshot = await context.accountCache.snapshot()
  const accounts = snapshot.accounts.flatMap((each) => (each.closedAt === null && each.offlineFor === null ? [each.account] : []))
  const now = context.now()
  const known = await listAlertsForOperator(context.engine.read)
  const measurements = await measureAlerts({
    reader: context.engine.read,
    now,
    accounts,
    operator: await operator(),
    rows: known,
    diskSpace: context.diskSpace,
    certificates: context.certificates?.current() ?? [],
  })
  // Assigned by the last run of the transaction.
  let changes: readonly AlertChange[] = []
  const facts = await transact(
    context,
    async (db) => {
      const at = context.now()
      const moment = { at, receivedAt: at, ids: context.ids }
      changes = await decideAlerts(db, { snapshot, rules, measurements, moment })
      return { subjects: changes.flatMap(({ fact }) => (fact === null ? [] : [{ account: fact.account, subject: fact.subject }])) }
    },
    async ({ db }) => {
      await saveAlertsForOperator(db, rowsToKeep(changes))
      const changedFacts = changes.flatMap(({ fact }) => fact ?? [])
      return { result: changedFacts, facts: changedFacts }
    },
    { visibility: 'latest', lockName: 'alerts' },
  )
  await logAlerts(context, facts)
  return facts
}

type AlertChange = ReturnType<typeof decideAlert> & { readonly isStored: boolean }

type AlertInput = {
  readonly snapshot: AccountSnapshot
  readonly rules: AlertRules
  readonly measurements: readonly TimedAlertMeasurement[]
  readonly moment: FactMoment
}

/** Decides every alert, with the stored rows as they are within the transaction. */
async function decideAlerts(db: Database, { snapshot, rules, measurements, moment }: AlertInput): Promise<readonly AlertChange[]> {
  const rows = new Map((await listAlertsForOperator(db)).map((row) => [keyOf(row), row]))
  const all = [...vanishedMeasurements([...rows.values()]), ...measurements]
  const latest = new Map(all.map((measurement) => [keyOf(measurement), measurement]))
  return [...latest].map(([key, measurement]) => {
    const threshold = thresholdsOf(snapshot, rules, measurement.account)[measurement.alert] ?? null
    const decided = decideAlert(rows.get(key) ?? null, { measurement, threshold, from: measurement.from }, moment)
    return { ...decided, isStored: rows.has(key) }
  })
}

const keyOf = ({ account, alert, about }: Pick<AlertRow, 'account' | 'alert' | 'about'>): string => `${account}/${alert}/${about}`

/** Measurements for alerts whose subject may be gone: a lane that sends again, an endpoint that was removed. */
function vanishedMeasurements(rows: readonly AlertRow[]): readonly TimedAlertMeasurement[] {
  return rows
    .filter(({ state, data }) => state === 'raised' || data.from !== null)
    .map(({ account, alert, about }) => ({ account, alert, about, value: VALUE_WHEN_VANISHED[alert] ?? null, volume: 0, from: null }))
}

/** A lane that is gone is not paused, an endpoint that is disabled does not fail, and a domain that is not used is not missed. */
const VALUE_WHEN_VANISHED: Readonly<Partial<Record<AlertRow['alert'], number>>> = {
  'lane-paused': 0,
  'webhook-failing': 0,
  'tracking-domain': 0,
  certificate: 0,
  mailbox: 0,
}

/** Leaves out alerts that were never raised, unless the row remembers when a condition began. */
function rowsToKeep(changes: readonly AlertChange[]): readonly AlertRow[] {
  const kept = changes.filter(({ row, isStored }) => row.change > 0 || row.data.from !== null || isStored).map(({ row }) => row)
  return kept.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

async function logAlerts({ telemetry, engine }: Context, facts: readonly FactOf<'alert'>[]): Promise<void> {
  for (const { account, id: eventId, data } of facts) {
    const { alert, about, state, value, volume } = data
    telemetry.count('bounced_alerts_total', { alert, state })
    telemetry.log.warn({ account, alert, about, state, value, volume, eventId }, state === 'raised' ? 'alert raised' : 'alert cleared')
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
    else context.telemetry.log.error({ alert: row.alert, account: row.account }, 'alert mail could not be sent; it will be retried')
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
    `threshold  raised at ${raise}, cleared at ${clear}, for a volume of at least ${minimum}`,
    `since      ${new Date(at).toISOString()}`,
  ]
  return { id, to, subject: `[bounced] ${alert} ${state}: ${name}${about === '' ? '' : `, ${about}`}`, text: lines.join('\n') }
}

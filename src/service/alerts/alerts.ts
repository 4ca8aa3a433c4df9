/**
 * alerts - figures are held against their thresholds, what changes is told: fact, webhook, log, metric, mail
 *
 * How each alert stands lies in the store, so that a restart neither repeats nor forgets one; one node evaluates at a time. A mail is sent
 * after the commit and tried again until the smart host has taken it; where an alert changes meanwhile, only its last state is mailed.
 *
 * See also: ledger/alert/alert, ledger/alert/alert-rules, service/alerts/alert-measures, mail-auth/alert-mailer, docs/ALERTS.md.
 */
import type { AlertMail, Mailer } from '../../mail-auth/alert-mailer.ts'
import { decideAlert, type AlertRow } from '../../ledger/alert/alert.ts'
import { changeThresholds, DEFAULT_THRESHOLDS, type Thresholds } from '../../ledger/alert/alert-rules.ts'
import type { Fact, FactOf } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { claimAlertMailsForOperator, listAlertsForOperator, saveAlertsForOperator, settleAlertMail } from '../../store/alerts.ts'
import { factsOf } from '../../store/facts/facts.ts'
import { loadWorld } from '../../store/facts/ledger-state.ts'
import { measureAll, type Figure } from './alert-measures.ts'
import type { Page } from '../account-cache.ts'
import { commitWorld } from '../commit.ts'
import type { Shop } from '../context.ts'

export type AlertRules = {
  /** Changes of thresholds, for all accounts (ledger/alert/alert-rules). */
  readonly rules: readonly string[]
  /** Who is mailed of every alert. */
  readonly mailTo: readonly string[]
}

export type AlertOptions = {
  readonly rules: AlertRules
  /** Null: nobody is mailed. */
  readonly mailer: Mailer | null
  /** The account that the installation's alerts are told to; 0: nobody's. */
  readonly operator: () => Promise<number>
}

export type Alerts = {
  /** Measures, decides, tells. Faults: store_busy. */
  readonly evaluate: () => Promise<readonly FactOf<'alert'>[]>
  /** Sends what is still to be mailed. Faults: store_busy; a mail that cannot be sent is tried again. */
  readonly mail: () => Promise<void>
}

/** A mail that was not taken is tried again with the next evaluation. */
const LEASE_MS = 240_000

export function createAlerts(shop: Shop, options: AlertOptions): Alerts {
  return { evaluate: () => evaluate(shop, options), mail: () => mailAll(shop, options) }
}

/** The thresholds of an account: the table's, the operator's, its own. */
export function thresholdsOf(page: Page, rules: AlertRules, account: number): Thresholds {
  return changeThresholds(changeThresholds(DEFAULT_THRESHOLDS, rules.rules), page.settingsOf(account).alertRules)
}

async function evaluate(shop: Shop, { rules, operator }: AlertOptions): Promise<readonly FactOf<'alert'>[]> {
  await shop.watch.flush(shop.engine)
  const page = await shop.book.open()
  const accounts = page.accounts.flatMap((each) => (each.closedAt === null && each.offlineFor === null ? [each.account] : []))
  const now = shop.now()
  const known = await listAlertsForOperator(shop.engine.read)
  const figures = await measureAll({ reader: shop.engine.read, now, accounts, operator: await operator(), rows: known })
  const moment = { at: now, receivedAt: now, ids: shop.ids }
  const facts = await shop.engine.tx(
    async (db) => {
      const rows = new Map((await listAlertsForOperator(db)).map((row) => [keyOf(row), row]))
      const seen = new Map([...goneOf([...rows.values()]), ...figures].map((figure) => [keyOf(figure), figure]))
      const decided = [...seen].map(([key, figure]) => {
        const threshold = thresholdsOf(page, rules, figure.account)[figure.alert] ?? null
        return decideAlert(rows.get(key) ?? null, { measured: figure, threshold, from: figure.from }, moment)
      })
      const changes = decided.flatMap(({ fact }) => fact ?? [])
      const { world } = await loadWorld(db, { subjects: changes.map(({ account, subject }) => ({ account, subject })) })
      applyFacts(world, changes)
      await commitWorld(db, world, { now, notify: () => true })
      await saveAlertsForOperator(
        db,
        worthKeeping(
          decided.map(({ row }) => row),
          rows,
        ),
      )
      return changes
    },
    { sees: 'latest', lock: 'alerts' },
  )
  await tell(shop, facts)
  return facts
}

const keyOf = ({ account, alert, about }: Pick<AlertRow, 'account' | 'alert' | 'about'>): string => `${account}/${alert}/${about}`

/** What was measured before, and may be no more: a lane that sends again, an endpoint that was removed. */
function goneOf(rows: readonly AlertRow[]): readonly Figure[] {
  return rows
    .filter(({ state, data }) => state === 'raised' || data.from !== null)
    .map(({ account, alert, about }) => ({ account, alert, about, value: GONE[alert] ?? null, volume: 0, from: null }))
}

/** A lane that is not there stands still no longer; an endpoint that is off fails no longer. */
const GONE: Readonly<Partial<Record<AlertRow['alert'], number>>> = { 'lane-paused': 0, 'webhook-failing': 0 }

/** Figures that were never too high leave no row, but for those whose beginning must be remembered. */
function worthKeeping(rows: readonly AlertRow[], known: ReadonlyMap<string, AlertRow>): readonly AlertRow[] {
  const kept = rows.filter((row) => row.change > 0 || row.data.from !== null || known.has(keyOf(row)))
  return kept.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

async function tell({ telemetry, engine }: Shop, facts: readonly FactOf<'alert'>[]): Promise<void> {
  for (const { account, id: eventId, data } of facts) {
    const { alert, about, state, value, volume } = data
    telemetry.count('bounced_alerts_total', { alert, state })
    telemetry.log.warn(
      { account, alert, about, state, value, volume, eventId },
      state === 'raised' ? 'an alert is raised' : 'an alert is over',
    )
  }
  const raised = (await listAlertsForOperator(engine.read)).filter(({ state }) => state === 'raised')
  telemetry.gauge('bounced_alerts_raised', raised.length)
}

async function mailAll(shop: Shop, { rules, mailer }: AlertOptions): Promise<void> {
  if (mailer === null) return
  const now = shop.now()
  const due = await shop.engine.tx((db) => claimAlertMailsForOperator(db, now, now + LEASE_MS), { sees: 'latest' })
  const page = await shop.book.open()
  const facts = await factsOf(
    shop.engine.read,
    due.map(({ account, alert, about }) => ({ account, subject: `alert:${alert}:${about}` })),
  )
  for (const row of due) {
    const to = [...new Set([...rules.mailTo, ...page.settingsOf(row.account).alertEmails])]
    const fact = facts.find(({ id }) => id === row.factId)
    const isDone = to.length === 0 || fact?.kind !== 'alert' || (await mailer.send(mailOf(page, fact, to)))
    if (isDone) await shop.engine.tx((db) => settleAlertMail(db, row))
    else shop.telemetry.log.error({ alert: row.alert, account: row.account }, 'an alert could not be mailed; it is tried again')
  }
}

function mailOf(page: Page, { id, at, account, data }: FactOf<'alert'> & Fact, to: readonly string[]): AlertMail {
  const { alert, about, state, text, value, volume, raise, clear, minimum } = data
  const name = page.accounts.find((each) => each.account === account)?.name ?? 'the operator'
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

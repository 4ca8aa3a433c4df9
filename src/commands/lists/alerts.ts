/**
 * alerts - prints the alerts that stand and the thresholds, and tries the smart host
 *
 * See also: service/alerts/alerts, docs/ALERTS.md.
 */
import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import { openAlertMailer } from '../../daemon/outbound-services.ts'
import { ALERT_NAMES, ALERT_RULES, applyThresholdChanges, DEFAULT_ALERT_THRESHOLDS } from '../../ledger/alert/alert-rules.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import { listAlertsForOperator } from '../../store/alerts.ts'
import type { DefineCommand } from '../command.ts'
import { withStore } from '../with-store.ts'
import { formatColumns, toSingleLine, printLines } from '../output.ts'

export const alertsCommand: DefineCommand = (command) => {
  command
    .command('list', { isDefault: true })
    .summary('print the alerts that stand')
    .option('--all', 'those that are over too')
    .action((options: { all?: boolean }, self: Command) => list(options.all === true, self))
  command
    .command('rules')
    .summary('print the thresholds of the installation')
    .action((_options: object, self: Command) => listThresholds(self))
  command
    .command('test-mail')
    .summary('send a mail to everybody whom alerts.mailTo names')
    .action((_options: object, self: Command) => testMail(self))
}

async function list(includesCleared: boolean, self: Command): Promise<void> {
  await withStore(self, async ({ context }) => {
    const { read } = context.engine
    const names = new Map((await listAccountsForOperator(read)).map(({ account, name }) => [account, name]))
    const rows = (await listAlertsForOperator(read)).filter(({ state, change }) => change > 0 && (includesCleared || state === 'raised'))
    const lines = rows.map(({ account, alert, about, state, since, data }) => [
      state,
      alert,
      toSingleLine(about),
      names.get(account) ?? 'operator',
      new Date(since).toISOString(),
      data.value === null ? '-' : String(Number(data.value.toPrecision(3))),
    ])
    printLines(...formatColumns([['state', 'alert', 'about', 'account', 'since', 'value'], ...lines]))
  })
}

async function listThresholds(self: Command): Promise<void> {
  await withStore(self, async ({ config }) => {
    const inForce = applyThresholdChanges(DEFAULT_ALERT_THRESHOLDS, config.settings.alerts.rules)
    const lines = ALERT_NAMES.map((name) => {
      const { scope, unit, what, of } = ALERT_RULES[name]
      const threshold = inForce[name]
      if (threshold === undefined) return [name, scope, 'off', '', '', '', what]
      const { raise, clear, minimum } = threshold
      return [name, scope, String(raise), String(clear), `${minimum} ${of}`, unit, what]
    })
    printLines(...formatColumns([['alert', 'scope', 'raised at', 'over at', 'from', 'unit', 'what'], ...lines]))
    return Promise.resolve()
  })
}

async function testMail(self: Command): Promise<void> {
  await withStore(self, async ({ context, config }) => {
    const mailer = openAlertMailer(config.settings, context.telemetry)
    const to = config.settings.alerts.mailTo
    if (mailer === null || to.length === 0) throw new Fault('bad_request', 'set alerts.smtp and alerts.mailTo first')
    const id = context.ids.next(context.now())
    const isAccepted = await mailer.send({ id, to, subject: '[bounced] a test', text: 'Alerts will come to this address.' })
    mailer.close()
    if (!isAccepted) throw new Fault('internal', 'the smart host did not take it; the line above says why')
    printLines(`the smart host took a mail to ${to.join(', ')}`)
  })
}

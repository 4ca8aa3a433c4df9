/**
 * alerts - prints the raised alerts and the thresholds, and sends a test mail through the smart host
 *
 * See also: service/alerts/alerts, docs/ALERTS.md.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { openAlertMailer } from '../../daemon/outbound-services.ts'
import { defineStoreCommand } from '../../daemon/store-command.ts'
import { Fault } from '../../errors.ts'
import { ALERT_NAMES, ALERT_RULES, applyThresholdChanges, DEFAULT_ALERT_THRESHOLDS } from '../../ledger/alert/alert-rules.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import { listAlertsForOperator } from '../../store/alerts.ts'
import { loadConfigFor, type DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'
import { formatColumns, toSingleLine, printLines } from '../output.ts'
import { withStore } from '../with-store.ts'

const listCommand = defineStoreCommand('alerts list', z.object({ all: z.boolean() }), async ({ context }, { all }, output) => {
  const { read } = context.engine
  const names = new Map((await listAccountsForOperator(read)).map(({ account, name }) => [account, name]))
  const rows = (await listAlertsForOperator(read)).filter(({ state, change }) => change > 0 && (all || state === 'raised'))
  const lines = rows.map(({ account, alert, about, state, since, data }) => [
    state,
    alert,
    toSingleLine(about),
    names.get(account) ?? 'operator',
    new Date(since).toISOString(),
    data.value === null ? '-' : String(Number(data.value.toPrecision(3))),
  ])
  await output.printLines(...formatColumns([['state', 'alert', 'about', 'account', 'since', 'value'], ...lines]))
})

export const ALERT_COMMANDS = [listCommand] as const

export const alertsCommand: DefineCommand = (command) => {
  command
    .command('list', { isDefault: true })
    .summary('print the alerts that are raised')
    .option('--all', 'also the alerts that were cleared')
    .action((options: { all?: boolean }, self: Command) => runStoreCommand(self, listCommand, { all: options.all === true }))
  command
    .command('rules')
    .summary('print the thresholds of the installation')
    .action((_options: object, self: Command) => printThresholds(self))
  command
    .command('test-mail')
    .summary('send a mail to every address in alerts.mailTo')
    .action((_options: object, self: Command) => sendTestMail(self))
}

function printThresholds(self: Command): void {
  const inForce = applyThresholdChanges(DEFAULT_ALERT_THRESHOLDS, loadConfigFor(self).settings.alerts.rules)
  const lines = ALERT_NAMES.map((name) => {
    const { scope, unit, what, of } = ALERT_RULES[name]
    const threshold = inForce[name]
    if (threshold === undefined) return [name, scope, 'off', '', '', '', what]
    const { raise, clear, minimum } = threshold
    return [name, scope, String(raise), String(clear), `${minimum} ${of}`, unit, what]
  })
  printLines(...formatColumns([['alert', 'scope', 'raised at', 'cleared at', 'minimum', 'unit', 'what'], ...lines]))
}

async function sendTestMail(self: Command): Promise<void> {
  await withStore(self, async ({ context, settings }) => {
    const mailer = openAlertMailer(settings, context.telemetry)
    const to = settings.alerts.mailTo
    if (mailer === null || to.length === 0) throw new Fault('bad_request', 'set alerts.smtp and alerts.mailTo first')
    const id = context.ids.next(context.now())
    const isAccepted = await mailer.send({ id, to, subject: '[bounced] a test', text: 'Alerts will come to this address.' })
    mailer.close()
    if (!isAccepted) throw new Fault('internal', 'the smart host refused the mail; see the log line above')
    printLines(`the smart host accepted a mail to ${to.join(', ')}`)
  })
}

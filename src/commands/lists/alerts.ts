/**
 * alerts - prints the alerts that stand and the thresholds, and tries the smart host
 *
 * See also: service/alerts/alerts, docs/ALERTS.md.
 */
import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import { mailerOf } from '../../daemon/outbound-services.ts'
import { ALERT_NAMES, ALERTS, changeThresholds, DEFAULT_THRESHOLDS } from '../../ledger/alert/alert-rules.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import { listAlertsForOperator } from '../../store/alerts.ts'
import type { Define } from '../command.ts'
import { withStore } from '../with-store.ts'
import { columns, oneLine, say } from '../output.ts'

export const alerts: Define = (command) => {
  command
    .command('list', { isDefault: true })
    .summary('print the alerts that stand')
    .option('--all', 'those that are over too')
    .action((options: { all?: boolean }, self: Command) => list(options.all === true, self))
  command
    .command('rules')
    .summary('print the thresholds of the installation')
    .action((_options: object, self: Command) => rules(self))
  command
    .command('test-mail')
    .summary('send a mail to everybody whom alerts.mailTo names')
    .action((_options: object, self: Command) => testMail(self))
}

async function list(isAll: boolean, self: Command): Promise<void> {
  await withStore(self, async ({ shop }) => {
    const { read } = shop.engine
    const names = new Map((await listAccountsForOperator(read)).map(({ account, name }) => [account, name]))
    const rows = (await listAlertsForOperator(read)).filter(({ state, change }) => change > 0 && (isAll || state === 'raised'))
    const lines = rows.map(({ account, alert, about, state, since, data }) => [
      state,
      alert,
      oneLine(about),
      names.get(account) ?? 'operator',
      new Date(since).toISOString(),
      data.value === null ? '-' : String(Number(data.value.toPrecision(3))),
    ])
    say(...columns([['state', 'alert', 'about', 'account', 'since', 'value'], ...lines]))
  })
}

async function rules(self: Command): Promise<void> {
  await withStore(self, async ({ config }) => {
    const inForce = changeThresholds(DEFAULT_THRESHOLDS, config.settings.alerts.rules)
    const lines = ALERT_NAMES.map((name) => {
      const { scope, unit, what, of } = ALERTS[name]
      const threshold = inForce[name]
      if (threshold === undefined) return [name, scope, 'off', '', '', '', what]
      const { raise, clear, minimum } = threshold
      return [name, scope, String(raise), String(clear), `${minimum} ${of}`, unit, what]
    })
    say(...columns([['alert', 'scope', 'raised at', 'over at', 'from', 'unit', 'what'], ...lines]))
    return Promise.resolve()
  })
}

async function testMail(self: Command): Promise<void> {
  await withStore(self, async ({ shop, config }) => {
    const mailer = mailerOf(config.settings, shop.telemetry)
    const to = config.settings.alerts.mailTo
    if (mailer === null || to.length === 0) throw new Fault('bad_request', 'set alerts.smtp and alerts.mailTo first')
    const id = shop.ids.next(shop.now())
    const isTaken = await mailer.send({ id, to, subject: '[bounced] a test', text: 'Alerts will come to this address.' })
    mailer.close()
    if (!isTaken) throw new Fault('internal', 'the smart host did not take it; the line above says why')
    say(`the smart host took a mail to ${to.join(', ')}`)
  })
}

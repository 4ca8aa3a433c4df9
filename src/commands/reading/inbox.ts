/**
 * inbox - the mails that wait for a person: list them, look at one, and settle it
 *
 * See also: service/receive/inbox, http/api/inbox.
 */
import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import type { InboxRow } from '../../ledger/project/state.ts'
import type { InboxCursor } from '../../store/mail/inbox.ts'
import { findInboxItemsForOperator, listInboxForOperator } from '../../store/mail/inbox.ts'
import { findRawMailForOperator } from '../../store/mail/raw-mail.ts'
import { findReportForOperator } from '../../store/mail/reports.ts'
import { createInboxCommandRunner, type InboxCommand } from '../../service/receive/inbox.ts'
import type { DefineCommand } from '../command.ts'
import { withStore } from '../with-store.ts'
import { formatColumns, toSingleLine, printLines } from '../output.ts'
import { createVerifierFromSettings } from './signature-verifier.ts'

const PAGE_SIZE = 1_000

/** What is done to a mail by its id alone. */
const ACTIONS = {
  accept: 'vouch for it: it changes what it points at',
  discard: 'it is nothing',
  replay: 'read it again, by today’s reader and rules',
} as const

export const inboxCommand: DefineCommand = (command) => {
  command
    .command('list', { isDefault: true })
    .summary('print what waits')
    .option('--all', 'also what was accepted, discarded, linked or replayed')
    .action((options: { all?: true }, self: Command) => list(options.all === true, self))
  command
    .command('show')
    .summary('print one of them, and what it proved')
    .argument('<id>')
    .action((id: string, _options: object, self: Command) => show(id, self))
  command
    .command('raw')
    .summary('write its bytes to standard output')
    .argument('<id>')
    .action((id: string, _options: object, self: Command) => raw(id, self))
  command
    .command('link')
    .summary('say which mail it is about')
    .argument('<id>')
    .argument('<emailId>')
    .action((id: string, emailId: string, _options: object, self: Command) =>
      resolveMail({ account: null, actor: 'operator', digest: parseDigest(id), action: 'link', emailId }, self),
    )
  for (const action of ['accept', 'discard', 'replay'] as const)
    command
      .command(action)
      .summary(ACTIONS[action])
      .argument('<id>')
      .action((id: string, _options: object, self: Command) =>
        resolveMail({ account: null, actor: 'operator', digest: parseDigest(id), action }, self),
      )
}

function parseDigest(id: string): string {
  if (!/^[0-9a-f]{64}$/.test(id)) throw new Fault('bad_request', 'an id is 64 hex digits')
  return id
}

async function list(all: boolean, self: Command): Promise<void> {
  await withStore(self, async ({ context }) => {
    let after: InboxCursor | null = null
    let count = 0
    for (;;) {
      const page = { limit: PAGE_SIZE, ...(after === null ? {} : { after }) }
      const rows = await listInboxForOperator(context.engine.read, all ? {} : { state: 'open' }, page)
      printLines(...formatColumns(rows.map(rowCells)))
      count += rows.length
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE_SIZE) break
      after = { receivedAt: last.receivedAt, digest: last.digest }
    }
    printLines(`${count} mails`)
  })
}

function rowCells(row: InboxRow): string[] {
  const { digest, receivedAt, account, state, reason, kind, from, subject } = row
  const reasonAndState = state === 'open' ? reason : `${reason}, ${state}`
  return [
    digest,
    new Date(receivedAt).toISOString(),
    String(account),
    reasonAndState,
    kind,
    toSingleLine(`${from ?? '<>'}: ${subject ?? ''}`, 80),
  ]
}

async function show(id: string, self: Command): Promise<void> {
  const digest = parseDigest(id)
  await withStore(self, async ({ context: { engine } }) => {
    const [row] = await findInboxItemsForOperator(engine.read, [digest])
    if (row === undefined) throw new Fault('not_found', 'no mail in the inbox has this id')
    const report = await findReportForOperator(engine.read, digest)
    const authResults = report?.auth ?? null
    const signed = (authResults?.dkim ?? []).map((each) => `${each.domain} ${each.result}${each.aligned ? ', aligned' : ''}`)
    printLines(
      ...formatColumns([
        ['reason', row.reason],
        ['state', row.state],
        ['kind', row.kind],
        ['account', String(row.account)],
        ['received', new Date(row.receivedAt).toISOString()],
        ['peer', report?.peer ?? '-'],
        ['envelope', toSingleLine(`${report?.mailFrom ?? ''} → ${report?.rcptTo ?? ''}`)],
        ['from', toSingleLine(row.from ?? '-')],
        ['subject', toSingleLine(row.subject ?? '-')],
        ['about', row.deliveryId ?? '-'],
        ['dkim', signed.length === 0 ? '-' : toSingleLine(signed.join('; '))],
        [
          'spf',
          authResults?.spf === null || authResults === null ? '-' : toSingleLine(`${authResults.spf.domain} ${authResults.spf.result}`),
        ],
        [
          'arc',
          authResults?.arc === null || authResults === null
            ? '-'
            : toSingleLine(`${authResults.arc.domain ?? '?'} ${authResults.arc.result}`),
        ],
        ['says', toSingleLine(row.summary, 1_024)],
      ]),
    )
  })
}

async function raw(id: string, self: Command): Promise<void> {
  const digest = parseDigest(id)
  await withStore(self, async ({ context }) => {
    const mail = await findRawMailForOperator(context.engine.read, digest)
    if (mail === null) throw new Fault('not_found', 'there is no such mail, or its raw form is no longer kept')
    // The mail as it came: whoever asks for bytes gets bytes.
    process.stdout.write(mail)
  })
}

async function resolveMail(call: InboxCommand, self: Command): Promise<void> {
  await withStore(self, async ({ context, config }) => {
    const { row, changed, problem, facts } = await createInboxCommandRunner(context, createVerifierFromSettings(config.settings))(call)
    if (problem !== null) printLines(`still waits: ${problem}`)
    else printLines(changed ? `${row.state}: ${facts.map(({ kind }) => kind).join(', ')}` : `was ${row.state} before`)
  })
}

/**
 * inbox - lists the mails that need a person's decision, shows one, and resolves it
 *
 * See also: service/receive/inbox, http/api/inbox.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand } from '../../daemon/store-command.ts'
import { Fault } from '../../errors.ts'
import type { InboxRow } from '../../ledger/project/state.ts'
import type { ReportRow } from '../../store/mail/reports.ts'
import { findInboxItemsForOperator, listInboxForOperator, type InboxCursor } from '../../store/mail/inbox.ts'
import { findRawMailForOperator } from '../../store/mail/raw-mail.ts'
import { findReportForOperator } from '../../store/mail/reports.ts'
import { createInboxCommandRunner, type InboxCommand } from '../../service/receive/inbox.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'
import { formatColumns, toSingleLine } from '../output.ts'
import { createCommandVerifier } from './signature-verifier.ts'

const PAGE_SIZE = 1_000

/** Actions that need only the id of a mail. */
const ACTIONS = {
  accept: 'vouch for it: it changes the deliveries and lists that it reports on',
  discard: 'it reports nothing',
  replay: 'read it again, with the current parser and rules',
} as const

const FORCE = 'also if the mail reports on another recipient than that of the sent mail'

const digestSchema = z.object({ digest: z.string() })

const listCommand = defineStoreCommand('inbox list', z.object({ all: z.boolean() }), async ({ context }, { all }, output) => {
  let after: InboxCursor | null = null
  let count = 0
  for (;;) {
    const page = { limit: PAGE_SIZE, ...(after === null ? {} : { after }) }
    const rows = await listInboxForOperator(context.engine.read, all ? {} : { state: 'open' }, page)
    await output.printLines(...formatColumns(rows.map(rowCells)))
    count += rows.length
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_SIZE) break
    after = { receivedAt: last.receivedAt, digest: last.digest }
  }
  await output.printLines(`${count} mails`)
})

const showCommand = defineStoreCommand('inbox show', digestSchema, async ({ context: { engine } }, { digest }, output) => {
  const [row] = await findInboxItemsForOperator(engine.read, [digest])
  if (row === undefined) throw new Fault('not_found', 'no mail in the inbox has this id')
  await output.printLines(...formatColumns(detailCells(row, await findReportForOperator(engine.read, digest))))
})

const rawCommand = defineStoreCommand('inbox raw', digestSchema, async ({ context }, { digest }, output) => {
  const mail = await findRawMailForOperator(context.engine.read, digest)
  if (mail === null) throw new Fault('not_found', 'there is no such mail, or its raw form is no longer kept')
  // The mail as it was received: nothing is masked.
  await output.write(mail)
})

const resolveCommand = defineStoreCommand(
  'inbox resolve',
  z.discriminatedUnion('action', [
    digestSchema.extend({ action: z.enum(['discard', 'replay']) }),
    digestSchema.extend({ action: z.literal('accept'), force: z.boolean().default(false) }),
    digestSchema.extend({ action: z.literal('link'), emailId: z.string(), force: z.boolean().default(false) }),
  ]),
  async ({ context, settings }, input, output) => {
    const command: InboxCommand = { account: null, actor: 'operator', ...input }
    const { row, changed, problem, facts } = await createInboxCommandRunner(context, createCommandVerifier(settings))(command)
    if (problem !== null) await output.printLines(`still open: ${problem}`)
    else await output.printLines(changed ? `${row.state}: ${facts.map(({ kind }) => kind).join(', ')}` : `was already ${row.state}`)
  },
)

export const INBOX_COMMANDS = [listCommand, rawCommand, resolveCommand, showCommand] as const

export const inboxCommand: DefineCommand = (command) => {
  command
    .command('list', { isDefault: true })
    .summary('print the open mails')
    .option('--all', 'also the mails that were accepted, discarded, linked or replayed')
    .action((options: { all?: true }, self: Command) => runStoreCommand(self, listCommand, { all: options.all === true }))
  command
    .command('show')
    .summary('print one mail, with its signatures and the reason why it is here')
    .argument('<id>')
    .action((id: string, _options: object, self: Command) => runStoreCommand(self, showCommand, { digest: parseDigest(id) }))
  command
    .command('raw')
    .summary('write its bytes to standard output')
    .argument('<id>')
    .action((id: string, _options: object, self: Command) => runStoreCommand(self, rawCommand, { digest: parseDigest(id) }))
  command
    .command('link')
    .summary('link a mail to the sent mail that it is about')
    .argument('<id>')
    .argument('<emailId>')
    .option('--force', FORCE)
    .action((id: string, emailId: string, { force }: { force?: true }, self: Command) =>
      runStoreCommand(self, resolveCommand, { digest: parseDigest(id), action: 'link', emailId, force: force === true }),
    )
  command
    .command('accept')
    .summary(ACTIONS.accept)
    .argument('<id>')
    .option('--force', FORCE)
    .action((id: string, { force }: { force?: true }, self: Command) =>
      runStoreCommand(self, resolveCommand, { digest: parseDigest(id), action: 'accept', force: force === true }),
    )
  for (const action of ['discard', 'replay'] as const)
    command
      .command(action)
      .summary(ACTIONS[action])
      .argument('<id>')
      .action((id: string, _options: object, self: Command) => runStoreCommand(self, resolveCommand, { digest: parseDigest(id), action }))
}

function parseDigest(id: string): string {
  if (!/^[0-9a-f]{64}$/.test(id)) throw new Fault('bad_request', 'an id is 64 hex digits')
  return id
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

function detailCells(row: InboxRow, report: ReportRow | null): string[][] {
  const { dkim = [], spf = null, arc = null } = report?.auth ?? {}
  const signatures = dkim.map((each) => `${each.domain} ${each.result}${each.aligned ? ', aligned' : ''}`)
  return [
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
    ['dkim', signatures.length === 0 ? '-' : toSingleLine(signatures.join('; '))],
    ['spf', spf === null ? '-' : toSingleLine(`${spf.domain} ${spf.result}`)],
    ['arc', arc === null ? '-' : toSingleLine(`${arc.domain ?? '?'} ${arc.result}`)],
    ['says', toSingleLine(row.summary, 1_024)],
  ]
}

/**
 * inbox - the mails that wait for a person: list them, look at one, and settle it
 *
 * See also: service/receive/inbox, http/api/inbox.
 */
import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import type { InboxRow } from '../../ledger/project/state.ts'
import type { InboxCursor } from '../../store/mail/inbox.ts'
import { inboxOfForOperator, inboxPageForOperator } from '../../store/mail/inbox.ts'
import { getRawMailForOperator } from '../../store/mail/raw-mail.ts'
import { findReportForOperator } from '../../store/mail/reports.ts'
import { createInbox, type InboxCall } from '../../service/receive/inbox.ts'
import type { Define } from '../command.ts'
import { withStore } from '../with-store.ts'
import { columns, oneLine, say } from '../output.ts'
import { proverOf } from './signature-verifier.ts'

const PAGE = 1_000

/** What is done to a mail by its id alone. */
const ACTIONS = {
  accept: 'vouch for it: it changes what it points at',
  discard: 'it is nothing',
  replay: 'read it again, by today’s reader and rules',
} as const

export const inbox: Define = (command) => {
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
      settle({ account: null, actor: 'operator', digest: digestOf(id), action: 'link', emailId }, self),
    )
  for (const action of ['accept', 'discard', 'replay'] as const)
    command
      .command(action)
      .summary(ACTIONS[action])
      .argument('<id>')
      .action((id: string, _options: object, self: Command) =>
        settle({ account: null, actor: 'operator', digest: digestOf(id), action }, self),
      )
}

function digestOf(id: string): string {
  if (!/^[0-9a-f]{64}$/.test(id)) throw new Fault('bad_request', 'an id is 64 hex digits')
  return id
}

async function list(all: boolean, self: Command): Promise<void> {
  await withStore(self, async ({ shop }) => {
    let after: InboxCursor | null = null
    let count = 0
    for (;;) {
      const page = { limit: PAGE, ...(after === null ? {} : { after }) }
      const rows = await inboxPageForOperator(shop.engine.read, all ? {} : { state: 'open' }, page)
      say(...columns(rows.map(lineOf)))
      count += rows.length
      const last = rows.at(-1)
      if (last === undefined || rows.length < PAGE) break
      after = { receivedAt: last.receivedAt, digest: last.digest }
    }
    say(`${count} mails`)
  })
}

function lineOf(row: InboxRow): string[] {
  const { digest, receivedAt, account, state, reason, kind, from, subject } = row
  const why = state === 'open' ? reason : `${reason}, ${state}`
  return [digest, new Date(receivedAt).toISOString(), String(account), why, kind, oneLine(`${from ?? '<>'}: ${subject ?? ''}`, 80)]
}

async function show(id: string, self: Command): Promise<void> {
  const digest = digestOf(id)
  await withStore(self, async ({ shop: { engine } }) => {
    const [row] = await inboxOfForOperator(engine.read, [digest])
    if (row === undefined) throw new Fault('not_found', 'no mail in the inbox has this id')
    const report = await findReportForOperator(engine.read, digest)
    const proofs = report?.auth ?? null
    const signed = (proofs?.dkim ?? []).map((each) => `${each.domain} ${each.result}${each.aligned ? ', aligned' : ''}`)
    say(
      ...columns([
        ['reason', row.reason],
        ['state', row.state],
        ['kind', row.kind],
        ['account', String(row.account)],
        ['received', new Date(row.receivedAt).toISOString()],
        ['peer', report?.peer ?? '-'],
        ['envelope', oneLine(`${report?.mailFrom ?? ''} → ${report?.rcptTo ?? ''}`)],
        ['from', oneLine(row.from ?? '-')],
        ['subject', oneLine(row.subject ?? '-')],
        ['about', row.deliveryId ?? '-'],
        ['dkim', signed.length === 0 ? '-' : oneLine(signed.join('; '))],
        ['spf', proofs?.spf === null || proofs === null ? '-' : oneLine(`${proofs.spf.domain} ${proofs.spf.result}`)],
        ['arc', proofs?.arc === null || proofs === null ? '-' : oneLine(`${proofs.arc.domain ?? '?'} ${proofs.arc.result}`)],
        ['says', oneLine(row.summary, 1_024)],
      ]),
    )
  })
}

async function raw(id: string, self: Command): Promise<void> {
  const digest = digestOf(id)
  await withStore(self, async ({ shop }) => {
    const mail = await getRawMailForOperator(shop.engine.read, digest)
    if (mail === null) throw new Fault('not_found', 'there is no such mail, or its raw form is no longer kept')
    // The mail as it came: whoever asks for bytes gets bytes.
    process.stdout.write(mail)
  })
}

async function settle(call: InboxCall, self: Command): Promise<void> {
  await withStore(self, async ({ shop, config }) => {
    const { row, changed, problem, facts } = await createInbox(shop, proverOf(config.settings))(call)
    if (problem !== null) say(`still waits: ${problem}`)
    else say(changed ? `${row.state}: ${facts.map(({ kind }) => kind).join(', ')}` : `was ${row.state} before`)
  })
}

/**
 * replay - mails out of files, folders, mbox, Maildir or standard input, into the store or into a running daemon
 *
 * A summary at the end; exit status 1 if anything failed. `--dry-run` prints every change and keeps none. `--trust-as operator` vouches for
 * mails whose signatures cannot be checked any more, and is audited.
 *
 * See also: import/replay.
 */
import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import { replayMails } from '../../import/replay.ts'
import type { ReplayOptions, ReplaySummary } from '../../import/replay.ts'
import { countSources } from '../../import/mail-sources.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { Settings } from '../../settings/schema.ts'
import { createReceiver } from '../../service/receive/receive.ts'
import type { DefineCommand } from '../command.ts'
import { loadConfigFor } from '../command.ts'
import { createProgressBar } from '../progress.ts'
import { createReplaySmtpClient } from './replay-smtp.ts'
import { withStore, withStoreOrTemporary } from '../with-store.ts'
import { formatColumns, toSingleLine, printLines } from '../output.ts'
import { createVerifierFromSettings } from './signature-verifier.ts'

type Options = { readonly at?: string; readonly trustAs?: string; readonly smtp?: string; readonly dryRun?: true; readonly notify?: true }

export const replayCommand: DefineCommand = (command) => {
  command
    .argument('<path...>', 'files, folders, mbox files, Maildirs; - is standard input')
    .option('--at <now>', 'take now as the time of every mail, not the time of its last Received')
    .option('--trust-as <operator>', 'vouch for the mails (audited)')
    .option('--smtp <host:port>', 'send them to a running daemon')
    .option('--dry-run', 'print every change, and keep none')
    .option('--notify', 'tell the webhooks of what changes')
    .action(runReplay)
}

type ReplayTarget = Pick<ReplayOptions, 'send' | 'trustAs'> & { readonly dryRun: boolean }

async function runReplay(paths: string[], options: Options, self: Command): Promise<void> {
  const { settings } = loadConfigFor(self)
  checkOptions(options)
  const trustAs = options.trustAs === 'operator' ? 'operator' : null
  if (options.smtp !== undefined) {
    const client = await createReplaySmtpClient(options.smtp)
    return sendAll(paths, options, settings, { send: client.send, trustAs, dryRun: false }).finally(client.close)
  }
  const dryRun = options.dryRun === true
  const runWithStore = dryRun ? withStoreOrTemporary : withStore
  await runWithStore(self, async ({ context }) => {
    const prover = createVerifierFromSettings(settings)
    const receiver = createReceiver(context, { prover, dryRun, notifyReplays: options.notify === true })
    await sendAll(paths, options, settings, { send: receiver.submit, trustAs, dryRun })
  })
}

function checkOptions(options: Options): void {
  if (options.at !== undefined && options.at !== 'now') throw new Fault('bad_request', '--at takes now')
  if (options.trustAs !== undefined && options.trustAs !== 'operator') throw new Fault('bad_request', '--trust-as takes operator')
  if (options.smtp !== undefined && (options.dryRun || options.trustAs || options.notify))
    throw new Fault('bad_request', '--smtp sends as any remote server does: --dry-run, --trust-as and --notify need the store')
}

async function sendAll(paths: readonly string[], options: Options, settings: Settings, target: ReplayTarget): Promise<void> {
  const total = await countSources(paths)
  const progress = await createProgressBar('mails')
  let done = 0
  const summary = await replayMails({
    paths,
    stdin: process.stdin,
    domains: [settings.returnPathDomain, settings.feedbackDomain],
    now: Date.now,
    usesCurrentTime: options.at === 'now',
    trustAs: target.trustAs,
    maxMailBytes: settings.limits.mailSize,
    send: target.send,
    onMail: (name, outcome) => {
      progress.update(++done, total)
      if (target.dryRun && outcome !== null)
        printLines(`${name}: ${outcome.isDuplicate ? 'came before, changes nothing' : outcome.kind}`, ...outcome.facts.map(factLine))
    },
    onFailure: (name, error) => {
      progress.update(++done, total)
      printLines(`${name}: ${error instanceof Error ? error.message : 'failed'}`)
    },
  }).finally(progress.stop)
  printLines(...summaryLines(summary))
  if (summary.failed > 0) process.exitCode = 1
}

/** One fact as a change that people read. */
function factLine(fact: Fact): string {
  if (fact.kind === 'list') {
    const { list, action, address, until, reason } = fact.data
    const end = until === null ? 'for ever' : `until ${new Date(until).toISOString()}`
    return `  list ${list}: ${action} ${toSingleLine(address ?? '')} ${end} (${reason})`
  }
  if (fact.kind === 'inbox') return `  inbox: ${fact.data.reason}`
  const effect = 'effect' in fact.data ? fact.data.effect : null
  return effect === null
    ? `  ${fact.kind}`
    : `  ${fact.kind}: status ${effect.status}, sub status ${effect.subStatus ?? '-'}, ${effect.reason ?? 'delivered'}`
}

function summaryLines(summary: ReplaySummary): string[] {
  const group = (what: string, counts: ReadonlyMap<string | number, number>): string[][] =>
    [...counts].toSorted(([, a], [, b]) => b - a).map(([name, count]) => [what, String(name), String(count)])
  return formatColumns([
    ...group('kind', summary.kinds),
    ...group('sub status', summary.subStatuses),
    ...group('inbox', summary.inbox),
    ['total', 'mails', String(summary.mails)],
    ['', 'came before', String(summary.repeated)],
    ['', 'failed', String(summary.failed)],
  ])
}

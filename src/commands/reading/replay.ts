/**
 * replay - reads mails from files, folders, mbox, Maildir or standard input into the store, or sends them to a daemon by SMTP
 *
 * Prints a summary at the end; exit status 1 if a mail failed. `--dry-run` prints every change and keeps none. `--trust-as operator` vouches for
 * mails whose signatures cannot be checked any more, and is audited.
 *
 * See also: import/replay, commands/reading/replay-mail (one mail into the store).
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
import { withCommandRunner } from '../command-runner.ts'
import { createProgressBar } from '../progress.ts'
import { submitMail } from './replay-mail.ts'
import { createReplaySmtpClient } from './replay-smtp.ts'
import { withStoreOrTemporary } from '../with-store.ts'
import { formatColumns, toSingleLine, printLines } from '../output.ts'
import { createCommandVerifier } from './signature-verifier.ts'

type Options = { readonly at?: string; readonly trustAs?: string; readonly smtp?: string; readonly dryRun?: true; readonly notify?: true }

export const replayCommand: DefineCommand = (command) => {
  command
    .argument('<path...>', 'files, folders, mbox files, Maildirs; - is standard input')
    .option('--at <now>', 'use the current time for every mail, not the time of its last Received field')
    .option('--trust-as <operator>', 'vouch for the mails (audited)')
    .option('--smtp <host:port>', 'send the mails to a running daemon by SMTP')
    .option('--dry-run', 'print every change, and keep none')
    .option('--notify', 'send webhooks for the changes')
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
  if (options.dryRun !== true)
    return withCommandRunner(self, (run) =>
      sendAll(paths, options, settings, { send: (mail) => submitMail(run, mail, options.notify === true), trustAs, dryRun: false }),
    )
  return withStoreOrTemporary(self, async ({ context }) => {
    const receiver = createReceiver(context, { prover: createCommandVerifier(settings), dryRun: true, notifyReplays: false })
    await sendAll(paths, options, settings, { send: receiver.submit, trustAs, dryRun: true })
  })
}

function checkOptions(options: Options): void {
  if (options.at !== undefined && options.at !== 'now') throw new Fault('bad_request', '--at takes now')
  if (options.trustAs !== undefined && options.trustAs !== 'operator') throw new Fault('bad_request', '--trust-as takes operator')
  if (options.smtp !== undefined && (options.dryRun || options.trustAs || options.notify))
    throw new Fault('bad_request', '--smtp sends like any remote server: --dry-run, --trust-as and --notify work on the store only')
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
        printLines(
          `${name}: ${outcome.isDuplicate ? 'was already received, changes nothing' : outcome.kind}`,
          ...outcome.facts.map(factLine),
        )
    },
    onFailure: (name, error) => {
      progress.update(++done, total)
      printLines(`${name}: ${error instanceof Error ? error.message : 'failed'}`)
    },
  }).finally(progress.stop)
  printLines(...summaryLines(summary))
  if (summary.failed > 0) process.exitCode = 1
}

/** Describes the change that one fact makes. */
function factLine(fact: Fact): string {
  if (fact.kind === 'list') {
    const { list, action, address, until, reason } = fact.data
    const end = until === null ? 'forever' : `until ${new Date(until).toISOString()}`
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
    ['', 'already received', String(summary.repeated)],
    ['', 'failed', String(summary.failed)],
  ])
}

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
import { replay } from '../../import/replay.ts'
import type { ReplayOptions, ReplaySummary } from '../../import/replay.ts'
import { countSources } from '../../import/mail-sources.ts'
import type { Fact } from '../../ledger/facts/fact.ts'
import type { Settings } from '../../settings/schema.ts'
import { createReceiver } from '../../service/receive/receive.ts'
import type { Define } from '../command.ts'
import { configFor } from '../command.ts'
import { createProgress } from '../progress.ts'
import { sendBySmtp } from './replay-smtp.ts'
import { withStore, withStoreOrNone } from '../with-store.ts'
import { columns, oneLine, say } from '../output.ts'
import { proverOf } from './signature-verifier.ts'

type Options = { readonly at?: string; readonly trustAs?: string; readonly smtp?: string; readonly dryRun?: true; readonly notify?: true }

export const replayCommand: Define = (command) => {
  command
    .argument('<path...>', 'files, folders, mbox files, Maildirs; - is standard input')
    .option('--at <now>', 'take now as the time of every mail, not the time of its last Received')
    .option('--trust-as <operator>', 'vouch for the mails (audited)')
    .option('--smtp <host:port>', 'send them to a running daemon')
    .option('--dry-run', 'print every change, and keep none')
    .option('--notify', 'tell the webhooks of what changes')
    .action(run)
}

type Door = Pick<ReplayOptions, 'send' | 'trustAs'> & { readonly dryRun: boolean }

async function run(paths: string[], options: Options, self: Command): Promise<void> {
  const { settings } = configFor(self)
  check(options)
  const trustAs = options.trustAs === 'operator' ? 'operator' : null
  if (options.smtp !== undefined) {
    const client = await sendBySmtp(options.smtp)
    return sendAll(paths, options, settings, { send: client.send, trustAs, dryRun: false }).finally(client.close)
  }
  const dryRun = options.dryRun === true
  const onStore = dryRun ? withStoreOrNone : withStore
  await onStore(self, async ({ shop }) => {
    const prover = proverOf(settings)
    const receiver = createReceiver(shop, { prover, dryRun, notifyReplays: options.notify === true })
    await sendAll(paths, options, settings, { send: receiver.submit, trustAs, dryRun })
  })
}

function check(options: Options): void {
  if (options.at !== undefined && options.at !== 'now') throw new Fault('bad_request', '--at takes now')
  if (options.trustAs !== undefined && options.trustAs !== 'operator') throw new Fault('bad_request', '--trust-as takes operator')
  if (options.smtp !== undefined && (options.dryRun || options.trustAs || options.notify))
    throw new Fault('bad_request', '--smtp sends as any remote server does: --dry-run, --trust-as and --notify need the store')
}

async function sendAll(paths: readonly string[], options: Options, settings: Settings, door: Door): Promise<void> {
  const total = await countSources(paths)
  const progress = await createProgress('mails')
  let done = 0
  const summary = await replay({
    paths,
    stdin: process.stdin,
    domains: [settings.returnPathDomain, settings.feedbackDomain],
    now: Date.now,
    atNow: options.at === 'now',
    trustAs: door.trustAs,
    mailSize: settings.limits.mailSize,
    send: door.send,
    onMail: (name, outcome) => {
      progress.at(++done, total)
      if (door.dryRun && outcome !== null)
        say(`${name}: ${outcome.repeated ? 'came before, changes nothing' : outcome.kind}`, ...outcome.facts.map(changeLine))
    },
    onFailure: (name, error) => {
      progress.at(++done, total)
      say(`${name}: ${error instanceof Error ? error.message : 'failed'}`)
    },
  }).finally(progress.stop)
  say(...summaryLines(summary))
  if (summary.failed > 0) process.exitCode = 1
}

/** One fact as a change that people read. */
function changeLine(fact: Fact): string {
  if (fact.kind === 'list') {
    const { list, action, address, until, reason } = fact.data
    const end = until === null ? 'for ever' : `until ${new Date(until).toISOString()}`
    return `  list ${list}: ${action} ${oneLine(address ?? '')} ${end} (${reason})`
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
  return columns([
    ...group('kind', summary.kinds),
    ...group('sub status', summary.subStatuses),
    ...group('inbox', summary.inbox),
    ['total', 'mails', String(summary.mails)],
    ['', 'came before', String(summary.repeated)],
    ['', 'failed', String(summary.failed)],
  ])
}

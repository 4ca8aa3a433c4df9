/**
 * reclassify - runs rules over the stored replies: says what would change, changes it, or takes it back
 *
 * Without `--apply` it is a dry run. With a running daemon the job runs there, beside intake, and goes on if this command is interrupted;
 * `reclassify list` shows it. Without a daemon it runs here, and the next run of any job or daemon continues what was interrupted.
 *
 * See also: service/reclassify/reclassifications, commands/reading/reclassify-format, docs/RULES.md.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { z } from 'zod'
import { decodeRuleFiles, encodeRuleFiles } from '../../config/rule-draft.ts'
import { readRuleFolder } from '../../config/rule-folder.ts'
import { defineStoreCommand, type CommandContext, type CommandOutput } from '../../daemon/store-command.ts'
import { Fault } from '../../errors.ts'
import { LIST_CHOICES } from '../../ledger/decide/reclassified-lists.ts'
import { createReclassificationService, type ReclassificationService } from '../../service/reclassify/reclassifications.ts'
import { createReclassifier } from '../../service/reclassify/reclassifier.ts'
import type { ReclassificationRow } from '../../store/reclassifications.ts'
import { isRunningState } from '../../store/reclassification-states.ts'
import { parseTimeOption, requireAccount } from '../arguments.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'
import { formatColumns } from '../output.ts'
import { reclassificationLines } from './reclassify-format.ts'

const ACTOR = 'operator'

const inputSchema = z.object({
  /** The files of `--rules`, read by the command line: its folder may be on another machine than the daemon's. Null: the rules in force. */
  files: z.string().nullable(),
  since: z.int().nullable(),
  account: z.string().nullable(),
  undo: z.uuid().nullable(),
  apply: z.boolean(),
  lists: z.enum(LIST_CHOICES),
  webhooks: z.boolean(),
})

type Input = z.output<typeof inputSchema>

const runCommand = defineStoreCommand('reclassify', inputSchema, async (on, input, output) => {
  const service = openService(on)
  const names = await listNames(on)
  const queued = await queueJob(on, service, input)
  const checked = await finishJob(on, queued, output)
  await output.printLines(...reclassificationLines(checked, names))
  if (checked.state !== 'checked') return output.setExitStatus(1)
  if (!input.apply) return output.printLines('nothing was changed; to apply it, run the same command with --apply')
  const { lists, webhooks } = input
  const applied = await finishJob(on, await service.apply(checked.jobId, ACTOR, { lists, webhooks }), output)
  await output.printLines('', ...reclassificationLines(applied, names))
  if (applied.state !== 'applied') return output.setExitStatus(1)
  await output.printLines(`to take it back: bounced reclassify --undo ${applied.jobId} --apply`)
})

const listCommand = defineStoreCommand('reclassify list', z.object({}), async (on, _input, output) => {
  const jobs = await openService(on).list({ after: null, limit: 100 })
  const cells = jobs.map((job) => [
    job.jobId,
    job.state,
    job.undoes === null ? `table ${job.tableVersion}` : `undoes ${job.undoes}`,
    `since ${new Date(job.since).toISOString()}`,
    `${job.preview.changed} would change`,
    `${job.outcome.changed} changed`,
    job.error ?? '',
  ])
  await output.printLines(...formatColumns(cells), `${jobs.length} reclassifications`)
})

const cancelCommand = defineStoreCommand('reclassify cancel', z.object({ id: z.uuid() }), async (on, { id }, output) => {
  await openService(on).cancel(id, ACTOR)
  await output.printLines('the reclassification is cancelled; what it has applied stays until you undo it')
})

export const RECLASSIFY_COMMANDS = [runCommand, listCommand, cancelCommand] as const

/** The command wakes no other reclassifier: it runs one itself, and that of a daemon polls the store. */
const openService = ({ context }: CommandContext): ReclassificationService => createReclassificationService(context, () => undefined)

async function listNames({ context }: CommandContext): Promise<ReadonlyMap<number, string>> {
  const { accounts } = await context.accountCache.snapshot()
  return new Map(accounts.map(({ account, name }) => [account, name]))
}

async function queueJob({ context }: CommandContext, service: ReclassificationService, input: Input): Promise<ReclassificationRow> {
  const { files, since, account, undo } = input
  if (undo !== null) return service.undo(undo, ACTOR)
  const onlyAccount = account === null ? null : await requireAccount(context.engine.read, account)
  return service.request({ actor: ACTOR, since, onlyAccount, ...(files === null ? {} : { files: decodeRuleFiles(files) }) })
}

const POLL_INTERVAL_MS = 200

/** Runs the job, or waits for the reclassifier that does. */
async function finishJob(on: CommandContext, queued: ReclassificationRow, output: CommandOutput): Promise<ReclassificationRow> {
  const service = openService(on)
  const reclassifier = createReclassifier(on.context)
  try {
    for (let job = queued; ; job = await service.find(queued.jobId)) {
      output.signal.throwIfAborted()
      output.setProgress('deliveries', job.done, Math.max(job.total, job.done))
      if (!isRunningState(job.state)) return job
      const ticking = reclassifier.tick()
      await Promise.race([ticking, sleep(POLL_INTERVAL_MS)])
      await sleep(POLL_INTERVAL_MS)
    }
  } finally {
    await reclassifier.close()
  }
}

type Options = {
  readonly rules?: string
  readonly since?: string
  readonly account?: string
  readonly undo?: string
  readonly dryRun?: true
  readonly apply?: true
  readonly lists?: string
  readonly webhooks?: true
}

export const reclassifyCommand: DefineCommand = (command) => {
  command
    .option('--rules <folder>', 'rule files instead of those of the setting rules.folder; by default the rules in force')
    .option('--since <time>', 'replies received since: 2026-11-20T12:00:00Z, or 14d for the last 14 days (default: 30d)')
    .option('--account <apiUser>', 'only this account')
    .option('--undo <id>', 'take back what a reclassification changed')
    .option('--dry-run', 'say what would change, and change nothing (the default)')
    .option('--apply', 'say what changes, and change it')
    .option('--lists <choice>', `what the bounce lists do: ${LIST_CHOICES.join(', ')} (default: none)`)
    .option('--webhooks', 'send a webhook event for each delivery whose status changes')
    .action((options: Options, self: Command) => runStoreCommand(self, runCommand, toInput(options)))
  command
    .command('list')
    .summary('list reclassifications, newest first')
    .action((_options: object, self: Command) => runStoreCommand(self, listCommand, {}))
  command
    .command('cancel <id>')
    .summary('end a reclassification')
    .action((id: string, _options: object, self: Command) => runStoreCommand(self, cancelCommand, { id }))
}

/** Faults: bad_request, rule_invalid (the folder). */
function toInput(options: Options): Input {
  const { rules, since, account = null, undo = null, dryRun, apply, webhooks } = options
  if (dryRun === true && apply === true) throw new Fault('bad_request', 'choose --dry-run or --apply')
  if (undo !== null && (rules ?? since ?? account) !== null && (rules ?? since ?? account) !== undefined)
    throw new Fault('bad_request', '--undo takes back a whole reclassification: leave out --rules, --since and --account')
  const lists = LIST_CHOICES.find((choice) => choice === (options.lists ?? 'none'))
  if (lists === undefined) throw new Fault('bad_request', `--lists takes ${LIST_CHOICES.join(', ')}`)
  if (apply !== true && (lists !== 'none' || webhooks === true))
    throw new Fault('bad_request', '--lists and --webhooks say what follows --apply; a dry run shows all of it')
  return {
    files: rules === undefined ? null : encodeRuleFiles(readRuleFolder(rules, 'operator')),
    since: parseSince(since),
    account,
    undo,
    apply: apply === true,
    lists,
    webhooks: webhooks === true,
  }
}

const DAY_MS = 86_400_000

function parseSince(text: string | undefined): number | null {
  const days = /^(\d{1,4})d$/.exec(text ?? '')?.[1]
  return days === undefined ? parseTimeOption('--since', text) : Date.now() - Number(days) * DAY_MS
}

/**
 * export-jobs - lists the export files that accounts requested, and writes out, retries or deletes one
 *
 * See also: service/export/exports, commands/store/export.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand, type CommandContext, type CommandOutput } from '../../daemon/store-command.ts'
import { Fault } from '../../errors.ts'
import { listAccountsForOperator, type Account } from '../../store/account/accounts.ts'
import { createExportService, progressOf, type ExportService } from '../../service/export/exports.ts'
import { runStoreCommand } from '../command-runner.ts'
import { formatColumns } from '../output.ts'

/** Jobs that the list of one account shows. */
const MAX_LISTED = 1_000

const listCommand = defineStoreCommand('export jobs list', z.object({}), async (on, _input, output) => {
  const exports = openExports(on)
  const rows: string[][] = []
  for (const { account, name } of await listOwners(on)) {
    for (const job of await exports.list(account, { after: null, limit: MAX_LISTED })) {
      const span = [job.from, job.to].map((at) => new Date(at).toISOString())
      const state = job.state === 'running' ? `running ${Math.floor(progressOf(job) * 100)} %` : job.state
      rows.push([job.exportId, name, job.kind, ...span, state, `${job.rows} rows`, `${job.bytes} bytes`, job.error ?? ''])
    }
  }
  await output.printLines(...formatColumns(rows), `${rows.length} exports`)
})

type AccountExports = { readonly exports: ExportService; readonly account: number }

const ACTIONS = {
  get: { summary: 'write the file of a job to standard output', run: download },
  retry: { summary: 'run a failed job again', run: retry },
  remove: { summary: 'delete a job with its file', run: remove },
} as const satisfies Record<string, { summary: string; run: (on: AccountExports, id: string, output: CommandOutput) => Promise<void> }>

const jobCommand = defineStoreCommand(
  'export jobs act',
  z.object({ action: z.enum(['get', 'retry', 'remove']), id: z.string() }),
  async (on, { action, id }, output) => {
    const exports = openExports(on)
    for (const { account } of await listOwners(on)) {
      if ((await exports.find(account, id)) !== null) return ACTIONS[action].run({ exports, account }, id, output)
    }
    throw new Fault('not_found', 'there is no such export')
  },
)

export const EXPORT_JOB_COMMANDS = [jobCommand, listCommand] as const

/** Adds `export jobs` and its actions to the command. */
export function defineExportJobs(command: Command): void {
  const jobs = command
    .command('jobs')
    .summary('list the export files that accounts requested')
    .action((_options: object, self: Command) => runStoreCommand(self, listCommand, {}))
  for (const action of ['get', 'retry', 'remove'] as const)
    jobs
      .command(`${action} <id>`)
      .summary(ACTIONS[action].summary)
      .action((id: string, _options: object, self: Command) => runStoreCommand(self, jobCommand, { action, id: parseExportId(id) }))
}

function parseExportId(id: string): string {
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) throw new Fault('bad_request', 'that is not an id of an export')
  return id
}

/** The exporter of a running daemon polls the store every second, so nothing is to be woken. */
const openExports = ({ context, settings }: CommandContext): ExportService =>
  createExportService(context, settings.exports, () => undefined)

const listOwners = async ({ context }: CommandContext): Promise<readonly Account[]> =>
  (await listAccountsForOperator(context.engine.read)).filter(({ offlineFor }) => offlineFor === null)

async function download({ exports, account }: AccountExports, id: string, output: CommandOutput): Promise<void> {
  const { chunks } = await exports.content(account, id)
  for await (const chunk of chunks) await output.write(chunk)
}

async function retry({ exports, account }: AccountExports, id: string, output: CommandOutput): Promise<void> {
  await exports.retry(account, id)
  await output.printLines('the job is queued again')
}

async function remove({ exports, account }: AccountExports, id: string, output: CommandOutput): Promise<void> {
  await exports.remove(account, id)
  await output.printLines('the job is deleted')
}

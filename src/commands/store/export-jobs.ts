/**
 * export-jobs - the files that accounts have asked for, as the operator sees them: listed, written out, tried again, deleted
 *
 * See also: service/export/exports, commands/store/export.
 */
import { once } from 'node:events'
import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import type { Account } from '../../store/account/accounts.ts'
import { createExportService, progressOf, type ExportService } from '../../service/export/exports.ts'
import type { Context } from '../../service/context.ts'
import { withStore } from '../with-store.ts'
import { formatColumns, printLines } from '../output.ts'

type AccountExports = { readonly exports: ExportService; readonly account: number }

/** Jobs that one account's list shows. */
const MAX_LISTED = 1_000

/** `export jobs` and what one can do with a job. */
export function addJobs(command: Command): void {
  const jobs = command.command('jobs').summary('the files that accounts have asked for').action(list)
  jobs.command('get <id>').summary('the file of one, on standard output').action(withJob(download))
  jobs
    .command('retry <id>')
    .summary('let a failed one go on')
    .action(
      withJob(async ({ exports, account }, id) => {
        await exports.retry(account, id)
        printLines('it waits again')
      }),
    )
  jobs
    .command('remove <id>')
    .summary('delete one with its file')
    .action(
      withJob(async ({ exports, account }, id) => {
        await exports.remove(account, id)
        printLines('it is deleted')
      }),
    )
}

/** A running daemon sees within a second what changes here. */
const openExports = (context: Context, days: number, waiting: number): ExportService =>
  createExportService(context, { days, waiting }, () => undefined)

async function list(_options: object, self: Command): Promise<void> {
  await withStore(self, async ({ context, config }) => {
    const exports = openExports(context, config.settings.exports.days, config.settings.exports.waiting)
    const rows: string[][] = []
    for (const { account, name } of await listOwners(context)) {
      for (const job of await exports.list(account, { after: null, limit: MAX_LISTED })) {
        const span = [job.from, job.to].map((at) => new Date(at).toISOString())
        const state = job.state === 'running' ? `running ${Math.floor(progressOf(job) * 100)} %` : job.state
        rows.push([job.exportId, name, job.kind, ...span, state, `${job.rows} rows`, `${job.bytes} bytes`, job.error ?? ''])
      }
    }
    printLines(...formatColumns(rows))
    printLines(`${rows.length} exports`)
  })
}

const listOwners = async (context: Context): Promise<readonly Account[]> =>
  (await listAccountsForOperator(context.engine.read)).filter(({ offlineFor }) => offlineFor === null)

type Action = (id: string, options: object, self: Command) => Promise<void>

/** Runs on the account that the job is of. Faults: not_found. */
function withJob(work: (accountExports: AccountExports, id: string) => Promise<void>): Action {
  return async (id, _options, self) => {
    if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) throw new Fault('bad_request', 'that is not an id of an export')
    await withStore(self, async ({ context, config }) => {
      const exports = openExports(context, config.settings.exports.days, config.settings.exports.waiting)
      for (const { account } of await listOwners(context)) {
        if ((await exports.find(account, id)) === null) continue
        await work({ exports, account }, id)
        return
      }
      throw new Fault('not_found', 'there is no such export')
    })
  }
}

async function download({ exports, account }: AccountExports, id: string): Promise<void> {
  const { pieces: chunks } = await exports.content(account, id)
  for await (const chunk of chunks) if (!process.stdout.write(chunk)) await once(process.stdout, 'drain')
}

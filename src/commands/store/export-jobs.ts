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
import { createExports, progressOf, type Exports } from '../../service/export/exports.ts'
import type { Shop } from '../../service/context.ts'
import { withStore } from '../with-store.ts'
import { columns, say } from '../output.ts'

type Found = { readonly exports: Exports; readonly account: number }

/** Jobs that one account's list shows. */
const SHOWN = 1_000

/** `export jobs` and what one can do with a job. */
export function addJobs(command: Command): void {
  const jobs = command.command('jobs').summary('the files that accounts have asked for').action(list)
  jobs.command('get <id>').summary('the file of one, on standard output').action(onJob(get))
  jobs
    .command('retry <id>')
    .summary('let a failed one go on')
    .action(
      onJob(async ({ exports, account }, id) => {
        await exports.retry(account, id)
        say('it waits again')
      }),
    )
  jobs
    .command('remove <id>')
    .summary('delete one with its file')
    .action(
      onJob(async ({ exports, account }, id) => {
        await exports.remove(account, id)
        say('it is deleted')
      }),
    )
}

/** A running daemon sees within a second what changes here. */
const exportsOf = (shop: Shop, days: number, waiting: number): Exports => createExports(shop, { days, waiting }, () => undefined)

async function list(_options: object, self: Command): Promise<void> {
  await withStore(self, async ({ shop, config }) => {
    const exports = exportsOf(shop, config.settings.exports.days, config.settings.exports.waiting)
    const rows: string[][] = []
    for (const { account, name } of await owners(shop)) {
      for (const job of await exports.list(account, { after: null, limit: SHOWN })) {
        const span = [job.from, job.to].map((at) => new Date(at).toISOString())
        const state = job.state === 'running' ? `running ${Math.floor(progressOf(job) * 100)} %` : job.state
        rows.push([job.exportId, name, job.kind, ...span, state, `${job.rows} rows`, `${job.bytes} bytes`, job.error ?? ''])
      }
    }
    say(...columns(rows))
    say(`${rows.length} exports`)
  })
}

const owners = async (shop: Shop): Promise<readonly Account[]> =>
  (await listAccountsForOperator(shop.engine.read)).filter(({ offlineFor }) => offlineFor === null)

type Action = (id: string, options: object, self: Command) => Promise<void>

/** Runs on the account that the job is of. Faults: not_found. */
function onJob(work: (found: Found, id: string) => Promise<void>): Action {
  return async (id, _options, self) => {
    if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) throw new Fault('bad_request', 'that is not an id of an export')
    await withStore(self, async ({ shop, config }) => {
      const exports = exportsOf(shop, config.settings.exports.days, config.settings.exports.waiting)
      for (const { account } of await owners(shop)) {
        if ((await exports.find(account, id)) === null) continue
        await work({ exports, account }, id)
        return
      }
      throw new Fault('not_found', 'there is no such export')
    })
  }
}

async function get({ exports, account }: Found, id: string): Promise<void> {
  const { pieces } = await exports.content(account, id)
  for await (const piece of pieces) if (!process.stdout.write(piece)) await once(process.stdout, 'drain')
}

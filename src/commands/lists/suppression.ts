/**
 * suppression - undoes a batch of bounce-list entries, as new facts
 *
 * For the day a provider denied all its users, or a rule was wrong. Without `--account` it goes over all accounts.
 *
 * See also: service/lists/lists, http/api/suppressions.
 */
import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import type { BulkRemovalFilter } from '../../ledger/decide/operator-action.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import { reactivateAddresses } from '../../service/lists/lists.ts'
import type { DefineCommand } from '../command.ts'
import { withStore } from '../with-store.ts'
import { formatColumns, printLines } from '../output.ts'

type Options = {
  readonly site?: string
  readonly rule?: string
  readonly since?: string
  readonly until?: string
  readonly account?: string
  readonly dryRun?: true
}

export const suppressionCommand: DefineCommand = (command) => {
  command
    .command('lift')
    .summary('undo the bounce-list entries of a site, a rule and a time')
    .option('--site <site>', 'the receiving provider')
    .option('--rule <id>', 'the rule that decided')
    .option('--since <time>', 'entered at or after (ISO 8601)')
    .option('--until <time>', 'entered before (ISO 8601)')
    .option('--account <apiUser>', 'only this account')
    .option('--dry-run', 'print what would be lifted, and change nothing')
    .action(reactivate)
}

async function reactivate(options: Options, self: Command): Promise<void> {
  const filter = parseFilter(options)
  const dryRun = options.dryRun === true
  await withStore(self, async ({ context }) => {
    const accounts = await listAccountsForOperator(context.engine.read)
    const selected = accounts.filter(
      ({ name, offlineFor }) => offlineFor === null && (options.account === undefined || name === options.account),
    )
    if (selected.length === 0) throw new Fault('not_found', 'no account bears that name')
    let count = 0
    for (const { account, name } of selected) {
      const rows = await reactivateAddresses(context, { account, actor: 'operator' }, { filter, dryRun })
      count += rows.length
      printLines(
        ...formatColumns(
          rows.map((row) => [
            name,
            row.address ?? row.addressHash,
            row.reason,
            row.rule ?? '-',
            row.site ?? '-',
            new Date(row.from).toISOString(),
          ]),
        ),
      )
    }
    printLines(dryRun ? `${count} entries would be lifted` : `${count} entries lifted`)
  })
}

function parseFilter({ site, rule, since, until }: Options): BulkRemovalFilter {
  if (site === undefined && rule === undefined) throw new Fault('bad_request', 'name a --site, a --rule, or both')
  return {
    ...(site === undefined ? {} : { site }),
    ...(rule === undefined ? {} : { rule }),
    ...(since === undefined ? {} : { since: parseTime('--since', since) }),
    ...(until === undefined ? {} : { until: parseTime('--until', until) }),
  }
}

function parseTime(name: string, text: string): number {
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw new Fault('bad_request', `${name} takes a time like 2026-11-20T12:00:00Z`)
  return at
}

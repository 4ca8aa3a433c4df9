/**
 * suppression - undoes a batch of bounce-list entries, as new facts
 *
 * For the day a provider denied all its users, or a rule was wrong. Without `--account` it goes over all accounts.
 *
 * See also: service/lists/lists, http/api/suppressions.
 */
import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import type { LiftFilter } from '../../ledger/decide/operator-action.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import { liftEntries } from '../../service/lists/lists.ts'
import type { Define } from '../command.ts'
import { withStore } from '../with-store.ts'
import { columns, say } from '../output.ts'

type Options = {
  readonly site?: string
  readonly rule?: string
  readonly since?: string
  readonly until?: string
  readonly account?: string
  readonly dryRun?: true
}

export const suppression: Define = (command) => {
  command
    .command('lift')
    .summary('undo the bounce-list entries of a site, a rule and a time')
    .option('--site <site>', 'the receiving provider')
    .option('--rule <id>', 'the rule that decided')
    .option('--since <time>', 'entered at or after (ISO 8601)')
    .option('--until <time>', 'entered before (ISO 8601)')
    .option('--account <apiUser>', 'only this account')
    .option('--dry-run', 'print what would be lifted, and change nothing')
    .action(lift)
}

async function lift(options: Options, self: Command): Promise<void> {
  const filter = filterOf(options)
  const dryRun = options.dryRun === true
  await withStore(self, async ({ shop }) => {
    const accounts = await listAccountsForOperator(shop.engine.read)
    const asked = accounts.filter(
      ({ name, offlineFor }) => offlineFor === null && (options.account === undefined || name === options.account),
    )
    if (asked.length === 0) throw new Fault('not_found', 'no account bears that name')
    let count = 0
    for (const { account, name } of asked) {
      const rows = await liftEntries(shop, { account, actor: 'operator' }, { filter, dryRun })
      count += rows.length
      say(
        ...columns(
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
    say(dryRun ? `${count} entries would be lifted` : `${count} entries lifted`)
  })
}

function filterOf({ site, rule, since, until }: Options): LiftFilter {
  if (site === undefined && rule === undefined) throw new Fault('bad_request', 'name a --site, a --rule, or both')
  return {
    ...(site === undefined ? {} : { site }),
    ...(rule === undefined ? {} : { rule }),
    ...(since === undefined ? {} : { since: momentOf('--since', since) }),
    ...(until === undefined ? {} : { until: momentOf('--until', until) }),
  }
}

function momentOf(name: string, text: string): number {
  const at = Date.parse(text)
  if (Number.isNaN(at)) throw new Fault('bad_request', `${name} takes a time like 2026-11-20T12:00:00Z`)
  return at
}

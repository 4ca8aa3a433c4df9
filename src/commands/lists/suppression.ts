/**
 * suppression - one address on the lists, and many addresses of the bounce list reactivated at once
 *
 * Reactivating many is for the case that a provider denied all its mailboxes, or that a rule was wrong. Without `--account` it covers all
 * accounts.
 *
 * See also: commands/lists/address-entry (one address), service/lists/bulk-removal, http/api/suppressions/suppressions.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand } from '../../daemon/store-command.ts'
import { Fault } from '../../errors.ts'
import type { BulkRemovalFilter } from '../../ledger/decide/operator-action.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import { reactivateAddresses } from '../../service/lists/bulk-removal.ts'
import { parseTimeOption } from '../arguments.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'
import { formatColumns } from '../output.ts'
import { ADDRESS_ENTRY_COMMANDS, defineAddressCommands } from './address-entry.ts'

const optionsSchema = z.object({
  site: z.string().optional(),
  rule: z.string().optional(),
  since: z.string().optional(),
  until: z.string().optional(),
  account: z.string().optional(),
  dryRun: z.boolean().optional(),
})

type Options = z.output<typeof optionsSchema>

const reactivateCommand = defineStoreCommand('suppression reactivate', optionsSchema, async ({ context }, options, output) => {
  const filter = parseFilter(options)
  const dryRun = options.dryRun === true
  const accounts = await listAccountsForOperator(context.engine.read)
  const selected = accounts.filter(
    ({ name, offlineFor }) => offlineFor === null && (options.account === undefined || name === options.account),
  )
  if (selected.length === 0) throw new Fault('not_found', `no account has the name "${options.account ?? ''}"`)
  let count = 0
  for (const { account, name } of selected) {
    output.signal.throwIfAborted()
    const rows = await reactivateAddresses(context, { account, actor: 'operator' }, { filter, dryRun })
    count += rows.length
    const cells = rows.map((row) => [
      name,
      row.address ?? row.addressHash,
      row.reason,
      row.rule ?? '-',
      row.site ?? '-',
      new Date(row.from).toISOString(),
    ])
    await output.printLines(...formatColumns(cells))
  }
  await output.printLines(dryRun ? `${count} entries would be removed` : `${count} entries removed`)
})

export const SUPPRESSION_COMMANDS = [reactivateCommand, ...ADDRESS_ENTRY_COMMANDS] as const

export const suppressionCommand: DefineCommand = (command) => {
  defineAddressCommands(command)
  const define = (name: string, hidden: boolean): void => {
    command
      .command(name, { hidden })
      .summary('remove many bounce-list entries, by site, rule and time')
      .option('--site <site>', 'the receiving provider')
      .option('--rule <id>', 'the rule that decided')
      .option('--since <time>', 'entered at or after (ISO 8601)')
      .option('--until <time>', 'entered before (ISO 8601)')
      .option('--account <apiUser>', 'only this account')
      .option('--dry-run', 'print the entries that would be removed, and change nothing')
      .action((options: Options, self: Command) => {
        parseFilter(options)
        return runStoreCommand(self, reactivateCommand, options)
      })
  }
  define('reactivate', false)
  // The name until 0.1; it goes with the next release.
  define('lift', true)
}

/** Faults: bad_request. */
function parseFilter({ site, rule, since, until }: Options): BulkRemovalFilter {
  if (site === undefined && rule === undefined)
    throw new Fault('bad_request', 'name a --site, a --rule, or both; for one address: bounced suppression remove ADDRESS')
  const [from, end] = [parseTimeOption('--since', since), parseTimeOption('--until', until)]
  return {
    ...(site === undefined ? {} : { site }),
    ...(rule === undefined ? {} : { rule }),
    ...(from === null ? {} : { since: from }),
    ...(end === null ? {} : { until: end }),
  }
}

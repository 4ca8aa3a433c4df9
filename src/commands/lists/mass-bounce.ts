/**
 * mass-bounce - lists the sites that the mass-bounce guard holds, and applies or discards their list entries
 *
 * See also: service/lists/mass-bounce-review, ledger/suppress/mass-bounce-guard (when it trips).
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand } from '../../daemon/store-command.ts'
import { listSiteHoldsForOperator } from '../../store/lists/mass-bounce-holds.ts'
import { releaseMassBounceGuard, type ReleaseAction } from '../../service/lists/mass-bounce-review.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'
import { formatColumns, toSingleLine } from '../output.ts'

const ACTIONS = {
  apply: { summary: 'the mailboxes are gone: apply the held list entries and release the site', participle: 'applied' },
  discard: { summary: 'the provider made a mistake: discard the held list entries and release the site', participle: 'discarded' },
} as const satisfies Record<ReleaseAction, { summary: string; participle: string }>

const listCommand = defineStoreCommand('mass-bounce list', z.object({}), async ({ context }, _input, output) => {
  const sites = await listSiteHoldsForOperator(context.engine.read)
  const rows = sites.map(({ site, held, at, pending }) => [
    toSingleLine(site),
    held ? `held since ${at === null ? '?' : new Date(at).toISOString()}` : 'released',
    `${pending} entries pending`,
  ])
  await output.printLines(...formatColumns(rows), `${sites.filter(({ held }) => held).length} sites held`)
})

const releaseCommand = defineStoreCommand(
  'mass-bounce release',
  z.object({ site: z.string(), action: z.enum(['apply', 'discard']) }),
  async ({ context }, { site, action }, output) => {
    const { changed, entries } = await releaseMassBounceGuard(context, { site, action, actor: 'operator' })
    await output.printLines(
      changed
        ? `${toSingleLine(site)} is released: ${entries} entries ${ACTIONS[action].participle}`
        : `${toSingleLine(site)} was not held, and had no pending entries`,
    )
  },
)

export const MASS_BOUNCE_COMMANDS = [listCommand, releaseCommand] as const

export const massBounceCommand: DefineCommand = (command) => {
  command
    .command('list', { isDefault: true })
    .summary('print the sites that are held')
    .action((_options: object, self: Command) => runStoreCommand(self, listCommand, {}))
  for (const action of ['apply', 'discard'] as const)
    command
      .command(action)
      .summary(ACTIONS[action].summary)
      .argument('<site>')
      .action((site: string, _options: object, self: Command) => runStoreCommand(self, releaseCommand, { site, action }))
}

/**
 * mass-bounce - sites whose list writes wait for a person: listed, applied, discarded
 *
 * See also: service/lists/mass-bounce-review, ledger/suppress/mass-bounce-guard (when it trips).
 */
import type { Command } from 'commander'
import { listSiteHoldsForOperator } from '../../store/lists/mass-bounce-holds.ts'
import { releaseMassBounceGuard, type ReleaseAction } from '../../service/lists/mass-bounce-review.ts'
import type { DefineCommand } from '../command.ts'
import { withStore } from '../with-store.ts'
import { formatColumns, toSingleLine, printLines } from '../output.ts'

const SUMMARIES = {
  apply: 'the mailboxes are gone: let the held entries stand, and the site go',
  discard: 'it was the provider’s mistake: drop the held entries, and let the site go',
} as const satisfies Record<ReleaseAction, string>

export const massBounceCommand: DefineCommand = (command) => {
  command.command('list', { isDefault: true }).summary('print the sites that are held').action(list)
  for (const action of ['apply', 'discard'] as const)
    command
      .command(action)
      .summary(SUMMARIES[action])
      .argument('<site>')
      .action((site: string, _options: object, self: Command) => release(site, action, self))
}

async function list(_options: object, self: Command): Promise<void> {
  await withStore(self, async ({ context }) => {
    const sites = await listSiteHoldsForOperator(context.engine.read)
    const rows = sites.map(({ site, held, at, pending }) => [
      toSingleLine(site),
      held ? `held since ${at === null ? '?' : new Date(at).toISOString()}` : 'let go',
      `${pending} entries wait`,
    ])
    printLines(...formatColumns(rows), `${sites.filter(({ held }) => held).length} sites held`)
  })
}

async function release(site: string, action: ReleaseAction, self: Command): Promise<void> {
  await withStore(self, async ({ context }) => {
    const { changed, entries } = await releaseMassBounceGuard(context, { site, action, actor: 'operator' })
    const done = action === 'apply' ? 'applied' : 'discarded'
    printLines(
      changed
        ? `${toSingleLine(site)} goes again: ${entries} entries ${done}`
        : `${toSingleLine(site)} was not held, and nothing waited for it`,
    )
  })
}

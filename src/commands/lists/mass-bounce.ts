/**
 * mass-bounce - sites whose list writes wait for a person: listed, applied, discarded
 *
 * See also: service/lists/mass-bounce-review, ledger/suppress/mass-bounce-guard (when it trips).
 */
import type { Command } from 'commander'
import { listBrakesForOperator } from '../../store/lists/mass-bounce-holds.ts'
import { releaseBrake, type Release } from '../../service/lists/mass-bounce-review.ts'
import type { Define } from '../command.ts'
import { withStore } from '../with-store.ts'
import { columns, oneLine, say } from '../output.ts'

const SUMMARIES = {
  apply: 'the mailboxes are gone: let the held entries stand, and the site go',
  discard: 'it was the provider’s mistake: drop the held entries, and let the site go',
} as const satisfies Record<Release, string>

export const brake: Define = (command) => {
  command.command('list', { isDefault: true }).summary('print the sites that are held').action(list)
  for (const action of ['apply', 'discard'] as const)
    command
      .command(action)
      .summary(SUMMARIES[action])
      .argument('<site>')
      .action((site: string, _options: object, self: Command) => release(site, action, self))
}

async function list(_options: object, self: Command): Promise<void> {
  await withStore(self, async ({ shop }) => {
    const brakes = await listBrakesForOperator(shop.engine.read)
    const rows = brakes.map(({ site, held, at, pending }) => [
      oneLine(site),
      held ? `held since ${at === null ? '?' : new Date(at).toISOString()}` : 'let go',
      `${pending} entries wait`,
    ])
    say(...columns(rows), `${brakes.filter(({ held }) => held).length} sites held`)
  })
}

async function release(site: string, action: Release, self: Command): Promise<void> {
  await withStore(self, async ({ shop }) => {
    const { changed, entries } = await releaseBrake(shop, { site, action, actor: 'operator' })
    const done = action === 'apply' ? 'applied' : 'discarded'
    say(changed ? `${oneLine(site)} goes again: ${entries} entries ${done}` : `${oneLine(site)} was not held, and nothing waited for it`)
  })
}

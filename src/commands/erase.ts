/**
 * erase - one address goes from everywhere; the lists go on answering by its hash
 *
 * See also: work/erase.
 */
import type { Command } from 'commander'
import { eraseAddress } from '../work/erase.ts'
import type { Define } from './define.ts'
import { withStore } from './store.ts'
import { say } from './terminal.ts'

export const erase: Define = (command) => {
  command.argument('<address>').action(async (address: string, _options: object, self: Command) => {
    await withStore(self, async ({ shop }) => {
      const { addressHash, deliveries, entries, mails } = await eraseAddress(shop, address, 'operator')
      say(`erased from ${deliveries} mails that were sent, ${entries} list entries; ${mails} raw mails that named it are gone`)
      say(`lists go on answering by its hash ${addressHash}`)
    })
  })
}

/**
 * erase - one address goes from everywhere; the lists go on answering by its hash
 *
 * See also: service/admin/erase.
 */
import type { Command } from 'commander'
import { eraseAddress } from '../../service/admin/erase.ts'
import type { Define } from '../command.ts'
import { withStore } from '../with-store.ts'
import { say } from '../output.ts'

export const erase: Define = (command) => {
  command.argument('<address>').action(async (address: string, _options: object, self: Command) => {
    await withStore(self, async ({ shop }) => {
      const { addressHash, deliveries, entries, mails } = await eraseAddress(shop, address, 'operator')
      say(`erased from ${deliveries} mails that were sent, ${entries} list entries; ${mails} raw mails that named it are gone`)
      say(`lists go on answering by its hash ${addressHash}`)
    })
  })
}

/**
 * erase - one address goes from everywhere; the lists go on answering by its hash
 *
 * See also: service/admin/erase.
 */
import type { Command } from 'commander'
import { eraseAddress } from '../../service/admin/erase.ts'
import type { DefineCommand } from '../command.ts'
import { withStore } from '../with-store.ts'
import { printLines } from '../output.ts'

export const eraseCommand: DefineCommand = (command) => {
  command.argument('<address>').action(async (address: string, _options: object, self: Command) => {
    await withStore(self, async ({ context }) => {
      const { addressHash, deliveries, entries, mails } = await eraseAddress(context, address, 'operator')
      printLines(`erased from ${deliveries} mails that were sent, ${entries} list entries; ${mails} raw mails that named it are gone`)
      printLines(`lists go on answering by its hash ${addressHash}`)
    })
  })
}

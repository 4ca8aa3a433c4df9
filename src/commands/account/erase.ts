/**
 * erase - removes one address from everything that is stored; the lists keep its hash and still protect it
 *
 * See also: service/admin/erase.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand } from '../../daemon/store-command.ts'
import { eraseAddress } from '../../service/admin/erase.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'

const eraseAddressCommand = defineStoreCommand('erase', z.object({ address: z.string() }), async ({ context }, { address }, output) => {
  const { addressHash, deliveries, entries, mails } = await eraseAddress(context, address, 'operator')
  await output.printLines(
    `erased from ${deliveries} sent mails and ${entries} list entries; ${mails} raw mails that named it are deleted`,
    `the lists still match its hash ${addressHash}`,
  )
})

export const ERASE_COMMANDS = [eraseAddressCommand] as const

export const eraseCommand: DefineCommand = (command) => {
  command
    .argument('<address>')
    .action((address: string, _options: object, self: Command) => runStoreCommand(self, eraseAddressCommand, { address }))
}

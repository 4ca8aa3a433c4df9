/**
 * block - blocks peers, tokens and accounts that send too much, and unblocks them
 *
 * See also: service/admin/blocks.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand } from '../../daemon/store-command.ts'
import { Fault } from '../../errors.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { ACCESS_BLOCK_KINDS, listAccessBlocksForOperator, type AccessBlockKind } from '../../store/lists/blocks.ts'
import { addBlock, parseBlockName, removeBlock } from '../../service/admin/blocks.ts'
import { requireAccount } from '../arguments.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'
import { formatColumns, toSingleLine } from '../output.ts'

const targetSchema = z.object({ peer: z.string().optional(), token: z.string().optional(), account: z.string().optional() })

type Target = z.output<typeof targetSchema>

const addCommand = defineStoreCommand(
  'block add',
  targetSchema.extend({ reason: z.string().optional() }),
  async ({ context }, input, output) => {
    const target = await parseTarget(input, context.engine.read)
    const changed = await addBlock(context, target, input.reason ?? '')
    await output.printLines(changed ? `${target.kind} ${target.name} is blocked` : `${target.kind} ${target.name} was already blocked`)
  },
)

const removeCommand = defineStoreCommand('block remove', targetSchema, async ({ context }, input, output) => {
  const target = await parseTarget(input, context.engine.read)
  const changed = await removeBlock(context, target)
  await output.printLines(changed ? `${target.kind} ${target.name} is unblocked` : `${target.kind} ${target.name} was not blocked`)
})

const listCommand = defineStoreCommand('block list', z.object({}), async ({ context }, _input, output) => {
  const blocks = await listAccessBlocksForOperator(context.engine.read)
  const rows = blocks.map((each) => [each.kind, each.name, new Date(each.createdAt).toISOString(), each.actor, toSingleLine(each.reason)])
  await output.printLines(...formatColumns(rows), `${blocks.length} blocks`)
})

export const BLOCK_COMMANDS = [addCommand, listCommand, removeCommand] as const

export const blockCommand: DefineCommand = (command) => {
  const withTarget = (child: Command): Command =>
    child
      .option('--peer <address>', 'an IP address, or a network like 192.0.2.0/24: its connections are refused')
      .option('--token <token>', 'a token or its deliveryId: its mail goes to the inbox')
      .option('--account <apiUser>', 'an account: its mail goes to the inbox')
  withTarget(command.command('add').summary('block a peer, a token or an account').option('--reason <text>', 'why', 'by hand')).action(
    (options: Target & { readonly reason?: string }, self: Command) => runStoreCommand(self, addCommand, options),
  )
  command
    .command('list', { isDefault: true })
    .summary('print the blocks')
    .action((_options: object, self: Command) => runStoreCommand(self, listCommand, {}))
  withTarget(command.command('remove').summary('remove a block')).action((options: Target, self: Command) =>
    runStoreCommand(self, removeCommand, options),
  )
}

/** Faults: bad_request (not exactly one target, or one that cannot be read), not_found. */
async function parseTarget(options: Target, reader: DatabaseReader): Promise<{ kind: AccessBlockKind; name: string; actor: string }> {
  const [kind, ...others] = ACCESS_BLOCK_KINDS.filter((each) => options[each] !== undefined)
  if (kind === undefined || others.length > 0) throw new Fault('bad_request', 'name a --peer, a --token or an --account')
  const value = options[kind] ?? ''
  if (kind !== 'account') return { kind, name: parseBlockName(kind, value), actor: 'operator' }
  return { kind, name: String(await requireAccount(reader, value)), actor: 'operator' }
}

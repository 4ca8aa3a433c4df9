/**
 * block - cuts off peers, tokens and accounts that send too much, and lets them in again
 *
 * See also: service/admin/blocks.
 */
import type { Command } from 'commander'
import { findAccountByApiUser } from '../../daemon/accounts.ts'
import { Fault } from '../../errors.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { ACCESS_BLOCK_KINDS, listAccessBlocksForOperator, type AccessBlockKind } from '../../store/lists/blocks.ts'
import { addBlock, parseBlockName, removeBlock } from '../../service/admin/blocks.ts'
import type { DefineCommand } from '../command.ts'
import { withStore } from '../with-store.ts'
import { formatColumns, toSingleLine, printLines } from '../output.ts'

type Options = { readonly peer?: string; readonly token?: string; readonly account?: string; readonly reason?: string }

export const blockCommand: DefineCommand = (command) => {
  const withTarget = (child: Command): Command =>
    child
      .option('--peer <address>', 'an IP address, or a network like 192.0.2.0/24: refused when it connects')
      .option('--token <token>', 'a token or its deliveryId: its mail waits in the inbox')
      .option('--account <apiUser>', 'its mail waits in the inbox')
  withTarget(command.command('add').summary('cut off').option('--reason <words>', 'why', 'by hand')).action(add)
  command.command('list', { isDefault: true }).summary('print what is cut off').action(list)
  withTarget(command.command('remove').summary('let in again')).action(remove)
}

async function add(options: Options, self: Command): Promise<void> {
  await withStore(self, async ({ context }) => {
    const target = await parseTarget(options, context.engine.read)
    const changed = await addBlock(context, target, options.reason ?? '')
    printLines(changed ? `${target.kind} ${target.name} is cut off` : `${target.kind} ${target.name} was cut off before`)
  })
}

async function remove(options: Options, self: Command): Promise<void> {
  await withStore(self, async ({ context }) => {
    const target = await parseTarget(options, context.engine.read)
    const changed = await removeBlock(context, target)
    printLines(changed ? `${target.kind} ${target.name} is let in` : `${target.kind} ${target.name} was not cut off`)
  })
}

async function list(_options: object, self: Command): Promise<void> {
  await withStore(self, async ({ context }) => {
    const blocks = await listAccessBlocksForOperator(context.engine.read)
    printLines(
      ...formatColumns(
        blocks.map((each) => [each.kind, each.name, new Date(each.createdAt).toISOString(), each.actor, toSingleLine(each.reason)]),
      ),
    )
    printLines(`${blocks.length} cuts`)
  })
}

async function parseTarget(options: Options, reader: DatabaseReader): Promise<{ kind: AccessBlockKind; name: string; actor: string }> {
  const [kind, ...others] = ACCESS_BLOCK_KINDS.filter((each) => options[each] !== undefined)
  if (kind === undefined || others.length > 0) throw new Fault('bad_request', 'name a --peer, a --token or an --account')
  const value = options[kind] ?? ''
  if (kind !== 'account') return { kind, name: parseBlockName(kind, value), actor: 'operator' }
  const account = await findAccountByApiUser(reader, value)
  if (account === null) throw new Fault('not_found', `no account has the apiUser "${value}"`)
  return { kind, name: String(account), actor: 'operator' }
}

/**
 * block - cuts off peers, tokens and accounts that send too much, and lets them in again
 *
 * See also: service/admin/blocks.
 */
import type { Command } from 'commander'
import { accountOf } from '../../daemon/accounts.ts'
import { Fault } from '../../errors.ts'
import type { Reader } from '../../store/engine/engine.ts'
import { CUT_KINDS, listCutsForOperator, type CutKind } from '../../store/lists/blocks.ts'
import { addCut, readCutName, removeCut } from '../../service/admin/blocks.ts'
import type { Define } from '../command.ts'
import { withStore } from '../with-store.ts'
import { columns, oneLine, say } from '../output.ts'

type Options = { readonly peer?: string; readonly token?: string; readonly account?: string; readonly reason?: string }

export const cut: Define = (command) => {
  const named = (child: Command): Command =>
    child
      .option('--peer <address>', 'an IP address, or a network like 192.0.2.0/24: refused when it connects')
      .option('--token <token>', 'a token or its deliveryId: its mail waits in the inbox')
      .option('--account <apiUser>', 'its mail waits in the inbox')
  named(command.command('add').summary('cut off').option('--reason <words>', 'why', 'by hand')).action(add)
  command.command('list', { isDefault: true }).summary('print what is cut off').action(list)
  named(command.command('remove').summary('let in again')).action(remove)
}

async function add(options: Options, self: Command): Promise<void> {
  await withStore(self, async ({ shop }) => {
    const call = await callOf(options, shop.engine.read)
    const changed = await addCut(shop, call, options.reason ?? '')
    say(changed ? `${call.kind} ${call.name} is cut off` : `${call.kind} ${call.name} was cut off before`)
  })
}

async function remove(options: Options, self: Command): Promise<void> {
  await withStore(self, async ({ shop }) => {
    const call = await callOf(options, shop.engine.read)
    const changed = await removeCut(shop, call)
    say(changed ? `${call.kind} ${call.name} is let in` : `${call.kind} ${call.name} was not cut off`)
  })
}

async function list(_options: object, self: Command): Promise<void> {
  await withStore(self, async ({ shop }) => {
    const cuts = await listCutsForOperator(shop.engine.read)
    say(...columns(cuts.map((each) => [each.kind, each.name, new Date(each.createdAt).toISOString(), each.actor, oneLine(each.reason)])))
    say(`${cuts.length} cuts`)
  })
}

async function callOf(options: Options, reader: Reader): Promise<{ kind: CutKind; name: string; actor: string }> {
  const [kind, ...others] = CUT_KINDS.filter((each) => options[each] !== undefined)
  if (kind === undefined || others.length > 0) throw new Fault('bad_request', 'name a --peer, a --token or an --account')
  const said = options[kind] ?? ''
  if (kind !== 'account') return { kind, name: readCutName(kind, said), actor: 'operator' }
  const account = await accountOf(reader, said)
  if (account === null) throw new Fault('not_found', `no account has the apiUser "${said}"`)
  return { kind, name: String(account), actor: 'operator' }
}

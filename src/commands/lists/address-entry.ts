/**
 * address-entry - shows one address on every list, and puts it on a list or takes it off
 *
 * `show` and `remove` cover all accounts and the shared list, unless `--account` names one. `remove` changes the bounce list unless
 * `--list` names another: the other lists hold decisions of people.
 *
 * See also: service/lists/address-entries, service/lists/block-allow, http/api/suppressions/suppression-entry.
 */
import type { Command } from 'commander'
import { z } from 'zod'
import { defineStoreCommand, type CommandOutput } from '../../daemon/store-command.ts'
import { Fault } from '../../errors.ts'
import { entryNote } from '../../http/api/suppressions/suppression-entries.ts'
import { LIST_NAMES } from '../../ledger/facts/list-facts.ts'
import type { SuppressionRow } from '../../ledger/project/state.ts'
import { isStanding, readAddressEntries, selectTarget } from '../../service/lists/address-entries.ts'
import { addBlockAllowEntries, removeBlockAllowEntries, type ListEditor } from '../../service/lists/block-allow.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { parseTimeOption, requireAccount } from '../arguments.ts'
import { runStoreCommand } from '../command-runner.ts'
import { formatColumns, toSingleLine } from '../output.ts'

const SHARED_LIST = 'shared list'

const listName = z.enum(LIST_NAMES, { error: `--list takes ${LIST_NAMES.join(', ')}` })
const addressInput = z.object({ address: z.string(), account: z.string().optional() })
const changeInput = addressInput.extend({
  list: listName.optional(),
  scope: z.string().optional(),
  note: entryNote,
})

type ChangeOptions = { readonly account?: string; readonly list?: string; readonly scope?: string; readonly note?: string }

/** The accounts that a command covers, with their names; 0 is the list that accounts share. Faults: not_found. */
async function findAccounts(reader: DatabaseReader, apiUser: string | undefined): Promise<ReadonlyMap<number, string>> {
  if (apiUser !== undefined) return new Map([[await requireAccount(reader, apiUser), apiUser]])
  const accounts = (await listAccountsForOperator(reader)).filter(({ offlineFor }) => offlineFor === null)
  return new Map([...accounts.map(({ account, name }) => [account, name] as const), [0, SHARED_LIST]])
}

/** As `actorOf` (service/caller) names the operator. */
const editorFor = (account: number, name: string): ListEditor => ({ account, actor: `operator for ${name}` })

const stateOf = (row: SuppressionRow, at: number): string => {
  if (!isStanding(row, at)) return row.removedAt === null ? 'expired' : 'removed'
  if (row.pending) return 'held'
  return row.until === null ? 'in force' : `until ${new Date(row.until).toISOString()}`
}

const showCommand = defineStoreCommand('suppression show', addressInput, async ({ context }, { address, account }, output) => {
  const names = await findAccounts(context.engine.read, account)
  const { entries, changes } = await readAddressEntries(context.engine.read, [...names.keys()], { text: address, list: null })
  if (entries.length === 0) {
    await output.printLines(`${toSingleLine(address)} is on no list`)
    return
  }
  const nameOf = (number: number): string => names.get(number) ?? String(number)
  const now = context.now()
  const rows = entries.map((row) => [
    nameOf(row.account),
    row.list,
    row.scope || '-',
    stateOf(row, now),
    row.rule ?? '-',
    toSingleLine(row.reason),
  ])
  await output.printLines(...formatColumns([['account', 'list', 'scope', 'state', 'rule', 'reason'], ...rows]), '')
  const history = changes.map(({ at, account: owner, data }) => [
    new Date(at).toISOString(),
    nameOf(owner),
    data.list,
    data.action,
    data.actor ?? 'a report or a reply',
    toSingleLine(data.note ?? data.reason),
  ])
  await output.printLines(...formatColumns([['time', 'account', 'list', 'change', 'by', 'why'], ...history]))
})

const addCommand = defineStoreCommand(
  'suppression add',
  changeInput.extend({ until: z.string().optional() }),
  async ({ context }, { address, account, list, scope, note, until }, output) => {
    if (list === undefined) throw new Fault('bad_request', `name the list: --list ${LIST_NAMES.join(', ')}`)
    const [[owner, name], ...others] = await findNamedAccounts(context.engine.read, account)
    if (others.length > 0) throw new Fault('bad_request', 'there are several accounts: name one with --account')
    const end = parseTimeOption('--until', until)
    if (end !== null && end <= context.now()) throw new Fault('bad_request', '--until takes a time in the future')
    const selection = { list, scope: scope ?? '', ...selectTarget(address), until: end }
    const changed = await addBlockAllowEntries(context, editorFor(owner, name), { ...selection, ...(note === undefined ? {} : { note }) })
    const subject = toSingleLine(address)
    await output.printLines(
      changed.length > 0 ? `${name}: ${subject} is on the ${list} list` : `${name}: ${subject} was on the ${list} list already`,
    )
  },
)

type NamedAccount = readonly [account: number, name: string]

/** Faults: not_found (no account, or none of that name). */
async function findNamedAccounts(
  reader: DatabaseReader,
  apiUser: string | undefined,
): Promise<readonly [NamedAccount, ...(readonly NamedAccount[])]> {
  const [first, ...others] = [...(await findAccounts(reader, apiUser))].filter(([account]) => account !== 0)
  if (first === undefined) throw new Fault('not_found', 'there is no account: bounced account add NAME')
  return [first, ...others]
}

const removeCommand = defineStoreCommand(
  'suppression remove',
  changeInput,
  async ({ context }, { address, account, list = 'bounce', scope, note }, output) => {
    const names = await findAccounts(context.engine.read, account)
    const { entries } = await readAddressEntries(context.engine.read, [...names.keys()], { text: address, list: null })
    const standing = entries.filter((row) => isStanding(row, context.now()))
    const isMeant = (row: SuppressionRow): boolean => row.list === list && (scope === undefined || row.scope === scope)
    const subject = toSingleLine(address)
    const owners = new Set(standing.filter(isMeant).map((row) => row.account))
    for (const owner of owners) {
      const name = names.get(owner) ?? String(owner)
      const selection = { list, scope: scope ?? null, ...selectTarget(address), ...(note === undefined ? {} : { note }) }
      await removeBlockAllowEntries(context, editorFor(owner, name), selection)
      await output.printLines(`${name}: ${subject} is off the ${list} list`)
    }
    if (owners.size === 0) await output.printLines(`${subject} is not on the ${list} list`)
    await printOthers(
      standing.filter((row) => !isMeant(row)),
      names,
      output,
    )
    if (owners.size === 0) output.setExitStatus(1)
  },
)

/** Says which entries stay, and how to remove each. An allow entry suppresses nothing. */
async function printOthers(rows: readonly SuppressionRow[], names: ReadonlyMap<number, string>, output: CommandOutput): Promise<void> {
  for (const { account, list, scope } of rows.filter((row) => row.list !== 'allow'))
    await output.printLines(
      `${names.get(account) ?? account}: it is on the ${list} list${scope === '' ? '' : ` (${toSingleLine(scope)})`}; --list ${list} takes it off`,
    )
}

export const ADDRESS_ENTRY_COMMANDS = [showCommand, addCommand, removeCommand] as const

/** Adds `show`, `add` and `remove` to the command `suppression`. */
export function defineAddressCommands(command: Command): void {
  const define = (name: string, summary: string): Command =>
    command
      .command(name)
      .summary(summary)
      .argument('<address>', 'an address, or a whole domain')
      .option('--account <apiUser>', 'only this account')
  const withChange = (child: Command): Command =>
    child
      .option('--list <list>', `one of ${LIST_NAMES.join(', ')}`)
      .option('--scope <scope>', 'an API user; on the unsubscribe list a label')
      .option('--note <text>', 'why; the history keeps it')
  define('show', 'print one address on every list, and who changed it').action((address: string, options: ChangeOptions, self: Command) =>
    runStoreCommand(self, showCommand, { address, ...options }),
  )
  withChange(define('add', 'put one address on a list'))
    .option('--until <time>', 'when the entry ends (ISO 8601)')
    .action((address: string, options: ChangeOptions & { readonly until?: string }, self: Command) =>
      runStoreCommand(self, addCommand, { address, ...options, list: listOption(options.list) }),
    )
  withChange(define('remove', 'take one address off a list: the bounce list, unless --list names another')).action(
    (address: string, options: ChangeOptions, self: Command) =>
      runStoreCommand(self, removeCommand, { address, ...options, list: listOption(options.list) }),
  )
}

/** Faults: bad_request. */
function listOption(text: string | undefined): z.output<typeof listName> | undefined {
  if (text === undefined) return undefined
  const parsed = listName.safeParse(text)
  if (!parsed.success) throw new Fault('bad_request', `--list takes ${LIST_NAMES.join(', ')}`)
  return parsed.data
}

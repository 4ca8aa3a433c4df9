/**
 * account - adds and lists accounts, rotates secrets, shows and changes an account's settings
 *
 * A secret is printed once, when it is made. `rotate operator` makes a new operator's secret. A change of settings is a version and audited.
 *
 * See also: ledger/account-settings (what may be chosen), service/admin/account-settings.
 */
import type { Command } from 'commander'
import { closest } from 'fastest-levenshtein'
import { accountOf, addAccount, addOfflineNumber, ROTATION_MS, rotateSecret } from '../../daemon/accounts.ts'
import { fromText } from '../../settings/load.ts'
import { deriveTokenKey } from '../../correlate/token-keys.ts'
import { Fault } from '../../errors.ts'
import { settingsChangeSchema, type AccountSettings, type SettingsChange } from '../../ledger/account-settings.ts'
import { findAccount, listAccountsForOperator } from '../../store/account/accounts.ts'
import { listCredentials } from '../../store/account/credentials.ts'
import type { Reader } from '../../store/engine/engine.ts'
import { changeSettings, plain } from '../../service/admin/account-settings.ts'
import type { Define } from '../command.ts'
import { withStore } from '../with-store.ts'
import { columns, say } from '../output.ts'

export const account: Define = (command) => {
  command
    .command('add')
    .summary('make an account with its first apiUser')
    .argument('<apiUser>')
    .option('--trust <policy>', 'strict or any (default: the setting)')
    .action((apiUser: string, options: { trust?: string }, self: Command) => add(apiUser, options.trust ?? null, self))
  command
    .command('list')
    .summary('print every account with its apiUsers')
    .action((_options: object, self: Command) => list(self))
  command
    .command('show')
    .summary('print the settings of an account')
    .argument('<apiUser>')
    .action((apiUser: string, _options: object, self: Command) => show(apiUser, self))
  command
    .command('set')
    .summary('change settings of an account, like zone=Asia/Shanghai; lists go with commas')
    .argument('<apiUser>')
    .argument('<key=value...>')
    .action((apiUser: string, pairs: string[], _options: object, self: Command) => set(apiUser, pairs, self))
  command
    .command('rotate')
    .summary('make a new secret; the old one ends in 15 minutes')
    .argument('<apiUser>', 'or "operator"')
    .action((apiUser: string, _options: object, self: Command) => rotate(apiUser, self))
  command
    .command('offline')
    .summary('give an account a second number, with which its sender mints tokens offline')
    .argument('<apiUser>')
    .action((apiUser: string, _options: object, self: Command) => offline(apiUser, self))
}

async function add(apiUser: string, trust: string | null, self: Command): Promise<void> {
  await withStore(self, async ({ shop, config }) => {
    const policy = trust === 'any' || trust === 'strict' ? trust : config.settings.trust
    const wanted = { apiUser, apiKey: null, trust: policy, giveUpAfterDays: config.settings.giveUpDays }
    const made = await shop.engine.tx((db) => addAccount(db, wanted, shop.now()))
    say(`account ${made.account}   apiUser ${apiUser}   apiKey ${made.apiKey}   (shown once)`)
  })
}

async function list(self: Command): Promise<void> {
  await withStore(self, async ({ shop }) => {
    const { read } = shop.engine
    const rows = [['number', 'name', 'apiUsers', 'trust', 'made']]
    for (const each of await listAccountsForOperator(read)) {
      const users = [...new Set((await listCredentials(read, each.account)).map(({ apiUser }) => apiUser))]
      rows.push([String(each.account), each.name, users.join(', '), each.settings.trust, new Date(each.createdAt).toISOString()])
    }
    say(...columns(rows))
  })
}

async function show(apiUser: string, self: Command): Promise<void> {
  await withStore(self, async ({ shop }) => {
    const found = await findAccount(shop.engine.read, await numberOf(shop.engine.read, apiUser))
    if (found !== null) say(...settingLines(found.settings))
  })
}

async function set(apiUser: string, pairs: readonly string[], self: Command): Promise<void> {
  const change = readChange(pairs)
  await withStore(self, async ({ shop }) => {
    const account = await numberOf(shop.engine.read, apiUser)
    say(...settingLines(await changeSettings(shop, { account, actor: 'operator', byOperator: true, change, version: null })))
  })
}

async function numberOf(reader: Reader, apiUser: string): Promise<number> {
  const account = await accountOf(reader, apiUser)
  if (account === null) throw new Fault('not_found', `no account has the apiUser "${apiUser}"`)
  return account
}

const settingLines = (settings: AccountSettings): string[] =>
  columns(Object.entries(settings).map(([name, value]) => [name, String(plain(value))]))

/** Settings by their names, as texts. Faults: bad_request, with the nearest known name. */
function readChange(pairs: readonly string[]): SettingsChange {
  const known = Object.keys(settingsChangeSchema.shape)
  const given = pairs.map((pair) => {
    const [name = '', ...rest] = pair.split('=')
    const type = Object.entries(settingsChangeSchema.shape).find(([each]) => each === name)?.[1]
    if (rest.length === 0) throw new Fault('bad_request', `"${pair}" is not key=value`)
    if (type === undefined) throw new Fault('bad_request', `unknown setting "${name}"; the nearest known one is "${closest(name, known)}"`)
    return [name, fromText(type, rest.join('='))]
  })
  const read = settingsChangeSchema.safeParse(Object.fromEntries(given))
  if (read.success) return read.data
  throw new Fault('bad_request', read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'))
}

async function rotate(apiUser: string, self: Command): Promise<void> {
  await withStore(self, async ({ shop }) => {
    const secret = await shop.engine.tx((db) => rotateSecret(db, apiUser, shop.now()))
    say(`${apiUser}: ${secret}   (shown once; the old one ends in ${ROTATION_MS / 60_000} minutes)`)
  })
}

async function offline(apiUser: string, self: Command): Promise<void> {
  await withStore(self, async ({ shop, master }) => {
    const number = await shop.engine.tx((db) => addOfflineNumber(db, apiUser, shop.now()))
    const index = (await shop.book.open()).signingIndex
    say(
      `number ${number}   key index ${index}   key ${deriveTokenKey(master, number, index).toString('hex')}   (docs/TOKEN.md says how to mint)`,
    )
  })
}

/**
 * account - adds and lists accounts, rotates secrets, shows and changes an account's settings
 *
 * A secret is printed once, when it is made. `rotate operator` makes a new operator's secret. A change of settings is a version and audited.
 *
 * See also: ledger/account-settings (what may be chosen), service/admin/account-settings.
 */
import type { Command } from 'commander'
import { closest } from 'fastest-levenshtein'
import { findAccountByApiUser, createAccountWithApiUser, createOfflineAccount, ROTATION_MS, rotateSecret } from '../../daemon/accounts.ts'
import { parseSettingText } from '../../settings/load.ts'
import { deriveTokenKey } from '../../correlate/token-keys.ts'
import { Fault } from '../../errors.ts'
import { accountSettingsChangeSchema, type AccountSettings, type AccountSettingsChange } from '../../ledger/account-settings.ts'
import { findAccount, listAccountsForOperator } from '../../store/account/accounts.ts'
import { listCredentials } from '../../store/account/credentials.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { changeAccountSettings, displayValue } from '../../service/admin/account-settings.ts'
import type { DefineCommand } from '../command.ts'
import { withStore } from '../with-store.ts'
import { formatColumns, printLines } from '../output.ts'

export const accountCommand: DefineCommand = (command) => {
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
    .action((apiUser: string, _options: object, self: Command) => addOffline(apiUser, self))
}

async function add(apiUser: string, trust: string | null, self: Command): Promise<void> {
  await withStore(self, async ({ context, config }) => {
    const policy = trust === 'any' || trust === 'strict' ? trust : config.settings.trust
    const newAccount = { apiUser, apiKey: null, trust: policy, giveUpAfterDays: config.settings.giveUpDays }
    const created = await context.engine.tx((db) => createAccountWithApiUser(db, newAccount, context.now()))
    printLines(`account ${created.account}   apiUser ${apiUser}   apiKey ${created.apiKey}   (shown once)`)
  })
}

async function list(self: Command): Promise<void> {
  await withStore(self, async ({ context }) => {
    const { read } = context.engine
    const rows = [['number', 'name', 'apiUsers', 'trust', 'made']]
    for (const each of await listAccountsForOperator(read)) {
      const users = [...new Set((await listCredentials(read, each.account)).map(({ apiUser }) => apiUser))]
      rows.push([String(each.account), each.name, users.join(', '), each.settings.trust, new Date(each.createdAt).toISOString()])
    }
    printLines(...formatColumns(rows))
  })
}

async function show(apiUser: string, self: Command): Promise<void> {
  await withStore(self, async ({ context }) => {
    const found = await findAccount(context.engine.read, await requireAccount(context.engine.read, apiUser))
    if (found !== null) printLines(...settingLines(found.settings))
  })
}

async function set(apiUser: string, pairs: readonly string[], self: Command): Promise<void> {
  const change = parseSettingsChange(pairs)
  await withStore(self, async ({ context }) => {
    const account = await requireAccount(context.engine.read, apiUser)
    printLines(
      ...settingLines(await changeAccountSettings(context, { account, actor: 'operator', byOperator: true, change, version: null })),
    )
  })
}

async function requireAccount(reader: DatabaseReader, apiUser: string): Promise<number> {
  const account = await findAccountByApiUser(reader, apiUser)
  if (account === null) throw new Fault('not_found', `no account has the apiUser "${apiUser}"`)
  return account
}

const settingLines = (settings: AccountSettings): string[] =>
  formatColumns(Object.entries(settings).map(([name, value]) => [name, String(displayValue(value))]))

/** Settings by their names, as texts. Faults: bad_request, with the nearest known name. */
function parseSettingsChange(pairs: readonly string[]): AccountSettingsChange {
  const known = Object.keys(accountSettingsChangeSchema.shape)
  const given = pairs.map((pair) => {
    const [name = '', ...rest] = pair.split('=')
    const type = Object.entries(accountSettingsChangeSchema.shape).find(([each]) => each === name)?.[1]
    if (rest.length === 0) throw new Fault('bad_request', `"${pair}" is not key=value`)
    if (type === undefined) throw new Fault('bad_request', `unknown setting "${name}"; the nearest known one is "${closest(name, known)}"`)
    return [name, parseSettingText(type, rest.join('='))]
  })
  const read = accountSettingsChangeSchema.safeParse(Object.fromEntries(given))
  if (read.success) return read.data
  throw new Fault('bad_request', read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'))
}

async function rotate(apiUser: string, self: Command): Promise<void> {
  await withStore(self, async ({ context }) => {
    const secret = await context.engine.tx((db) => rotateSecret(db, apiUser, context.now()))
    printLines(`${apiUser}: ${secret}   (shown once; the old one ends in ${ROTATION_MS / 60_000} minutes)`)
  })
}

async function addOffline(apiUser: string, self: Command): Promise<void> {
  await withStore(self, async ({ context, masterKey }) => {
    const number = await context.engine.tx((db) => createOfflineAccount(db, apiUser, context.now()))
    const index = (await context.accountCache.snapshot()).signingIndex
    printLines(
      `number ${number}   key index ${index}   key ${deriveTokenKey(masterKey, number, index).toString('hex')}   (docs/TOKEN.md says how to mint)`,
    )
  })
}

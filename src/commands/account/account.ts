/**
 * account - adds and lists accounts, rotates secrets, shows and changes the settings of an account
 *
 * A secret is printed once, when it is made. `rotate operator` makes a new operator's secret. A change of settings makes a new version and is audited.
 *
 * See also: ledger/account-settings (the settings), service/admin/account-settings.
 */
import type { Command } from 'commander'
import { closest } from 'fastest-levenshtein'
import { z } from 'zod'
import { createAccountWithApiUser, createOfflineAccount, ROTATION_MS, rotateSecret } from '../../daemon/accounts.ts'
import { defineStoreCommand, type CommandContext } from '../../daemon/store-command.ts'
import { createDnsLookup } from '../../net/dns.ts'
import { parseSettingText } from '../../settings/load.ts'
import { deriveTokenKey } from '../../correlate/token-keys.ts'
import { Fault } from '../../errors.ts'
import { accountSettingsChangeSchema, type AccountSettings, type AccountSettingsChange } from '../../ledger/account-settings.ts'
import { findAccount, listAccountsForOperator } from '../../store/account/accounts.ts'
import { listCredentials } from '../../store/account/credentials.ts'
import { changeAccountSettings, displayValue } from '../../service/admin/account-settings.ts'
import { createTrackingDomainService, type TrackingDomainService, type TrackingDomainStatus } from '../../service/track/tracking-domains.ts'
import { requireAccount } from '../arguments.ts'
import type { DefineCommand } from '../command.ts'
import { runStoreCommand } from '../command-runner.ts'
import { formatColumns } from '../output.ts'

const apiUserSchema = z.object({ apiUser: z.string() })

const addCommand = defineStoreCommand(
  'account add',
  z.object({ apiUser: z.string(), trust: z.string().nullable() }),
  async ({ context, settings }, { apiUser, trust }, output) => {
    const policy = trust === 'any' || trust === 'strict' ? trust : settings.trust
    const newAccount = { apiUser, apiKey: null, trust: policy, giveUpAfterDays: settings.giveUpDays }
    const created = await context.engine.tx((db) => createAccountWithApiUser(db, newAccount, context.now()))
    await output.printLines(`account ${created.account}   apiUser ${apiUser}   apiKey ${created.apiKey}   (shown once)`)
  },
)

const listCommand = defineStoreCommand('account list', z.object({}), async ({ context }, _input, output) => {
  const { read } = context.engine
  const rows = [['number', 'name', 'apiUsers', 'trust', 'made']]
  for (const each of await listAccountsForOperator(read)) {
    const users = [...new Set((await listCredentials(read, each.account)).map(({ apiUser }) => apiUser))]
    rows.push([String(each.account), each.name, users.join(', '), each.settings.trust, new Date(each.createdAt).toISOString()])
  }
  await output.printLines(...formatColumns(rows))
})

const showCommand = defineStoreCommand('account show', apiUserSchema, async (command, { apiUser }, output) => {
  const { context } = command
  const { read } = context.engine
  const account = await requireAccount(read, apiUser)
  const found = await findAccount(read, account)
  if (found === null) return
  await output.printLines(...settingLines(found.settings), ...trackingDomainLines(await trackingDomainsOf(command).read(account)))
})

const setCommand = defineStoreCommand(
  'account set',
  apiUserSchema.extend({ pairs: z.array(z.string()) }),
  async (command, { apiUser, pairs }, output) => {
    const { context } = command
    const change = parseSettingsChange(pairs)
    const account = await requireAccount(context.engine.read, apiUser)
    const changed = await changeAccountSettings(context, { account, actor: 'operator', byOperator: true, change, version: null })
    await output.printLines(...settingLines(changed))
    if (change.trackingDomain !== undefined)
      await output.printLines(...trackingDomainLines(await trackingDomainsOf(command).check(account)))
  },
)

const rotateCommand = defineStoreCommand('account rotate', apiUserSchema, async ({ context }, { apiUser }, output) => {
  const secret = await context.engine.tx((db) => rotateSecret(db, apiUser, context.now()))
  await output.printLines(`${apiUser}: ${secret}   (shown once; the old secret expires in ${ROTATION_MS / 60_000} minutes)`)
})

const offlineCommand = defineStoreCommand('account offline', apiUserSchema, async ({ context, masterKey }, { apiUser }, output) => {
  const number = await context.engine.tx((db) => createOfflineAccount(db, apiUser, context.now()))
  const index = (await context.accountCache.snapshot()).signingIndex
  const key = deriveTokenKey(masterKey, number, index).toString('hex')
  await output.printLines(`number ${number}   key index ${index}   key ${key}   (how to mint: docs/TOKEN.md)`)
})

export const ACCOUNT_COMMANDS = [addCommand, listCommand, offlineCommand, rotateCommand, setCommand, showCommand] as const

export const accountCommand: DefineCommand = (command) => {
  command
    .command('add')
    .summary('add an account with its first apiUser')
    .argument('<apiUser>')
    .option('--trust <policy>', 'strict or any (default: the setting)')
    .action((apiUser: string, { trust = null }: { trust?: string | null }, self: Command) =>
      runStoreCommand(self, addCommand, { apiUser, trust }),
    )
  command
    .command('list')
    .summary('print every account with its apiUsers')
    .action((_options: object, self: Command) => runStoreCommand(self, listCommand, {}))
  command
    .command('show')
    .summary('print the settings of an account')
    .argument('<apiUser>')
    .action((apiUser: string, _options: object, self: Command) => runStoreCommand(self, showCommand, { apiUser }))
  command
    .command('set')
    .summary('change settings of an account, like zone=Asia/Shanghai; separate the items of a list with commas')
    .argument('<apiUser>')
    .argument('<key=value...>')
    .action((apiUser: string, pairs: string[], _options: object, self: Command) => {
      parseSettingsChange(pairs)
      return runStoreCommand(self, setCommand, { apiUser, pairs })
    })
  command
    .command('rotate')
    .summary('make a new secret; the old one expires in 15 minutes')
    .argument('<apiUser>', 'or "operator"')
    .action((apiUser: string, _options: object, self: Command) => runStoreCommand(self, rotateCommand, { apiUser }))
  command
    .command('offline')
    .summary('give an account a second number, with which its sender mints tokens offline')
    .argument('<apiUser>')
    .action((apiUser: string, _options: object, self: Command) => runStoreCommand(self, offlineCommand, { apiUser }))
}

/** Nothing is cached: a record that was published a moment ago must be visible. */
function trackingDomainsOf({ context, settings: { dns } }: CommandContext): TrackingDomainService {
  const lookUp = createDnsLookup({ servers: dns.servers, timeoutMs: dns.timeoutSeconds * 1_000, cacheMs: 1, cacheSize: 1 })
  return createTrackingDomainService(context, lookUp)
}

/** Whether links name the account's own domain, and what to publish if not. */
function trackingDomainLines({ state, domain, linkBase, problem }: TrackingDomainStatus): readonly string[] {
  if (state === 'none') return []
  return ['', `tracking domain ${domain}: ${problem ?? state}`, `links of new mails: ${linkBase ?? 'not tracked'}`]
}

const settingLines = (settings: AccountSettings): string[] =>
  formatColumns(Object.entries(settings).map(([name, value]) => [name, String(displayValue(value))]))

/** Reads `name=value` pairs. Faults: bad_request, with the nearest known name. */
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

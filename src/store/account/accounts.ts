/**
 * accounts - the tenants, each with its settings
 *
 * The settings of an account are a row with a version that rises with every change. Facts name the version that was in force. Account 0
 * is the operator's and has no row.
 *
 * See also: ledger/account-settings, store/account/credentials.
 */
import { Fault } from '../../errors.ts'
import { accountSettingsSchema } from '../../ledger/account-settings.ts'
import type { AccountSettings } from '../../ledger/account-settings.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { integerColumn, jsonColumn, nullableColumn, createTableMapping, textColumn } from '../engine/mapping.ts'
import type { SqlRow } from '../engine/value.ts'

export type Account = {
  readonly account: number
  readonly name: string
  readonly createdAt: number
  readonly closedAt: number | null
  /** The account for which this number creates tokens offline, or null. */
  readonly offlineFor: number | null
  readonly settingsVersion: number
  readonly settings: AccountSettings
}

export const ACCOUNTS = createTableMapping<Account>('accounts', ['account_id'], {
  account: integerColumn('account_id'),
  name: textColumn('name', 'none'),
  createdAt: integerColumn('created_at'),
  closedAt: nullableColumn(integerColumn('closed_at')),
  offlineFor: nullableColumn(integerColumn('offline_for')),
  settingsVersion: integerColumn('settings_version'),
  settings: jsonColumn<AccountSettings>('settings', 'none'),
})

const COLUMNS = ACCOUNTS.columns('a')

/** Reads settings that another version of bounced has stored: what it had and this one has not is left out. */
const storedSettingsSchema = accountSettingsSchema.strip()

/** A setting that did not exist when the row was stored takes its default. */
function decodeAccount(row: SqlRow): Account {
  const account = ACCOUNTS.decode(row)
  return { ...account, settings: storedSettingsSchema.parse({ ...account.settings, version: account.settingsVersion }) }
}

/** Creates an account with the next free number, never 0. Returns it. */
export async function createAccount(
  db: Database,
  newAccount: { readonly name: string; readonly createdAt: number; readonly settings: AccountSettings; readonly offlineFor?: number },
): Promise<Account> {
  const highest = Number((await db.one('select max(account_id) as n from accounts'))?.['n'] ?? 0)
  const { name, createdAt, settings, offlineFor } = newAccount
  const account: Account = {
    account: highest + 1,
    name,
    createdAt,
    closedAt: null,
    offlineFor: offlineFor ?? null,
    settingsVersion: settings.version,
    settings,
  }
  await db.insertMany(ACCOUNTS, [account])
  return account
}

/** Finds one account, or null. */
export async function findAccount(reader: DatabaseReader, account: number): Promise<Account | null> {
  const row = await reader.one(`select ${COLUMNS} from accounts a where a.account_id = $1`, [account])
  return row === null ? null : decodeAccount(row)
}

/** Lists all accounts by number. There are few. */
export async function listAccountsForOperator(reader: DatabaseReader): Promise<readonly Account[]> {
  return (await reader.all(`select ${COLUMNS} from accounts a order by a.account_id`)).map(decodeAccount)
}

/**
 * Saves settings with the next version. What a newer version of bounced has stored beside them stays, because its nodes may run beside this one. Throws
 * Fault conflict if `settings.version` is no longer the stored version.
 */
export async function saveAccountSettings(db: Database, account: number, settings: AccountSettings): Promise<AccountSettings> {
  const next = { ...settings, version: settings.version + 1 }
  const stored = await db.one(`select ${COLUMNS} from accounts a where a.account_id = $1`, [account])
  const changed = await db.run('update accounts set settings = $1, settings_version = $2 where account_id = $3 and settings_version = $4', [
    JSON.stringify({ ...(stored === null ? {} : ACCOUNTS.decode(stored).settings), ...next }),
    next.version,
    account,
    settings.version,
  ])
  if (changed === 0)
    throw new Fault('conflict', `the settings of account ${account} are no longer version ${settings.version}: read them again`)
  return next
}

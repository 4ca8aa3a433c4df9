/**
 * accounts - reads and changes the settings of accounts, and reads their names
 *
 * See also: http/api/account, http/sendcloud/user-info, service/admin/account-settings, store/account/accounts.
 */
import { DEFAULT_ACCOUNT_SETTINGS, type AccountSettings } from '../../ledger/account-settings.ts'
import { changeAccountSettings, type SettingsCommand } from '../../service/admin/account-settings.ts'
import type { Context } from '../../service/context.ts'
import type { TrackingDomainService } from '../../service/track/tracking-domains.ts'
import { findAccount, listAccountsForOperator, type Account } from '../../store/account/accounts.ts'
import { listCredentials } from '../../store/account/credentials.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'

type AccountProfile = { readonly account: Account; readonly apiUsers: readonly string[] }

/** `name` is an API user of the account, by which the operator names it. */
type AccountSummary = Pick<Account, 'account' | 'createdAt' | 'closedAt'> & {
  readonly name: string
  readonly apiUsers: readonly string[]
  readonly zone: string
}

export type AccountService = {
  /** The settings in force; the defaults for an account that does not exist. */
  readonly getSettings: (account: number) => Promise<AccountSettings>
  /** Faults: those of service/admin/account-settings. */
  readonly changeSettings: (command: SettingsCommand) => Promise<AccountSettings>
  /** The account and its API users; null if it does not exist. */
  readonly findProfile: (account: number) => Promise<AccountProfile | null>
  /** The names of all accounts by number, for the operator. */
  readonly listNames: () => Promise<ReadonlyMap<number, string>>
  /** The accounts that can be named, one or all of them, by number. Accounts that only sign tokens offline are left out. */
  readonly list: (account: number | null) => Promise<readonly AccountSummary[]>
}

/** Creates the service. A new tracking domain is checked at once. */
export function createAccountService(context: Context, trackingDomains: TrackingDomainService): AccountService {
  const { read } = context.engine
  return {
    getSettings: async (account) => (await findAccount(read, account))?.settings ?? DEFAULT_ACCOUNT_SETTINGS,
    changeSettings: async (command) => {
      const settings = await changeAccountSettings(context, command)
      // The settings are saved: a check that fails is repeated by the scheduled one.
      if (command.change.trackingDomain !== undefined) await trackingDomains.check(command.account).catch(() => undefined)
      return settings
    },
    findProfile: async (accountId) => {
      const [account, credentials] = await Promise.all([findAccount(read, accountId), listCredentials(read, accountId)])
      return account === null ? null : { account, apiUsers: [...new Set(credentials.map(({ apiUser }) => apiUser))] }
    },
    list: (account) => listSummaries(read, account),
    listNames: async () => new Map((await listAccountsForOperator(read)).map(({ account, name }) => [account, name])),
  }
}

async function listSummaries(read: DatabaseReader, only: number | null): Promise<readonly AccountSummary[]> {
  const known = (await listAccountsForOperator(read)).filter(
    ({ account, offlineFor }) => offlineFor === null && (only ?? account) === account,
  )
  const summaries: AccountSummary[] = []
  for (const { account, name, createdAt, closedAt, settings } of known) {
    const credentials = (await listCredentials(read, account)).filter(({ role }) => role === 'account')
    const apiUsers = [...new Set(credentials.map(({ apiUser }) => apiUser))]
    summaries.push({
      account,
      name: apiUsers.includes(name) ? name : (apiUsers[0] ?? name),
      apiUsers,
      zone: settings.zone,
      createdAt,
      closedAt,
    })
  }
  return summaries
}

/**
 * accounts - makes accounts and their secrets, and authenticates by them
 *
 * A secret is 32 random characters (192 bits), shown once and stored as SHA-256. It is long and random, so a slow hash would add no security. A rotated
 * secret stays valid for a while, so that senders can change over without a gap.
 *
 * See also: store/account/credentials, http/server/authenticate, commands/account/account.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { upToEntries } from '../net/cache-bound.ts'
import { Fault } from '../errors.ts'
import { NEW_ACCOUNT_TRACKING, accountSettingsSchema } from '../ledger/account-settings.ts'
import type { AccountSettings } from '../ledger/account-settings.ts'
import { createFirstLink } from '../service/users/users.ts'
import { createAccount, listAccountsForOperator } from '../store/account/accounts.ts'
import {
  addCredential,
  findCredentialsForOperator,
  findOpenCredentialsForOperator,
  expireCredentials,
} from '../store/account/credentials.ts'
import type { Credential } from '../store/account/credentials.ts'
import type { Database, Engine, DatabaseReader } from '../store/engine/engine.ts'
import type { CredentialStore } from '../http/server/authenticate.ts'

/** The user name of the operator's secret. No account may have it. */
const OPERATOR_API_USER = 'operator'

/** The time that SendCloud documents, on which its clients rely. */
export const ROTATION_MS = 15 * 60_000

const API_USER = /^[\w.@-]{1,64}$/

function makeSecret(): string {
  return randomBytes(24).toString('base64url')
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

type NewAccount = {
  readonly apiUser: string
  readonly apiKey: string | null
  readonly trust: AccountSettings['trust']
  readonly giveUpAfterDays: number
}

/** Makes an account with its first API user. Faults: conflict (the name is taken), bad_request (the name is not allowed). */
export async function createAccountWithApiUser(
  db: Database,
  newAccount: NewAccount,
  now: number,
): Promise<{ readonly account: number; readonly apiKey: string }> {
  const { apiUser, trust, giveUpAfterDays } = newAccount
  if (!API_USER.test(apiUser) || apiUser === OPERATOR_API_USER)
    throw new Fault('bad_request', 'an apiUser is 1 to 64 letters, digits or . _ @ -, and not "operator"')
  const apiKey = newAccount.apiKey ?? makeSecret()
  const settings = accountSettingsSchema.parse({ ...NEW_ACCOUNT_TRACKING, trust, giveUpAfterDays })
  const { account } = await createAccount(db, { name: apiUser, createdAt: now, settings })
  await addCredential(db, makeCredential({ account, apiUser, secret: apiKey, now, role: 'account' }))
  return { account, apiKey }
}

/** Makes a second account number for a sender that mints tokens offline. Faults: not_found. */
export async function createOfflineAccount(db: Database, apiUser: string, now: number): Promise<number> {
  const owner = await findAccountByApiUser(db, apiUser)
  if (owner === null) throw new Fault('not_found', `no account has the apiUser "${apiUser}"`)
  const settings = accountSettingsSchema.parse({})
  return (await createAccount(db, { name: `${apiUser} (offline)`, createdAt: now, settings, offlineFor: owner })).account
}

/** Makes a new secret for an API user. The old ones expire after `ROTATION_MS`. Faults: not_found. */
export async function rotateSecret(db: Database, apiUser: string, now: number): Promise<string> {
  const [known] = await findCredentialsForOperator(db, apiUser)
  if (known === undefined) throw new Fault('not_found', `no account has the apiUser "${apiUser}"`)
  const secret = makeSecret()
  const newCredential = makeCredential({ account: known.account, apiUser, secret, now, role: known.role })
  await addCredential(db, newCredential)
  await expireCredentials(db, known.account, { apiUser, keep: newCredential.keyHash, at: now + ROTATION_MS })
  return secret
}

function makeCredential(input: { account: number; apiUser: string; secret: string; now: number; role: Credential['role'] }): Credential {
  const { account, apiUser, secret, now, role } = input
  return { account, apiUser, keyHash: digestOf(secret).toString('hex'), role, createdAt: now, expiresAt: null }
}

/** The secrets of the first start, which are shown once. `apiKey` is null if the operator set it: then it is never shown. */
export type FirstCredentials = {
  readonly apiUser: string
  readonly apiKey: string | null
  readonly operatorSecret: string
  /** The token of the link that creates the first administrator of the console. */
  readonly linkToken: string
}

/** Makes the first account and the operator's secret in an empty store, once over all nodes. Null if there are accounts. */
export async function createFirstCredentials(engine: Engine, newAccount: NewAccount, now: number): Promise<FirstCredentials | null> {
  return engine.tx(
    async (db) => {
      if ((await listAccountsForOperator(db)).length > 0) return null
      const { apiKey } = await createAccountWithApiUser(db, newAccount, now)
      const operatorSecret = makeSecret()
      await addCredential(db, makeCredential({ account: 0, apiUser: OPERATOR_API_USER, secret: operatorSecret, now, role: 'operator' }))
      const linkToken = await createFirstLink(db, now)
      return { apiUser: newAccount.apiUser, apiKey: newAccount.apiKey === null ? apiKey : null, operatorSecret, linkToken }
    },
    { lockName: 'first-start', visibility: 'latest' },
  )
}

/** A rotation or a closed account in another process takes effect within this time. */
const CREDENTIAL_CACHE_MS = 1_000

/** API users whose keys are kept in memory; each is a few hundred bytes. */
const MAX_CACHED_API_USERS = 10_000

/** Authenticates by secrets, compared in constant time. A closed account cannot sign in. */
export function createAuthenticator(reader: DatabaseReader, now: () => number): CredentialStore {
  const known = new LRUCache<string, readonly Credential[]>({ ...upToEntries(MAX_CACHED_API_USERS), ttl: CREDENTIAL_CACHE_MS })
  const load = async (apiUser: string): Promise<readonly Credential[]> => {
    const loaded = await findOpenCredentialsForOperator(reader, apiUser)
    // Unknown names are not cached: guessing must not evict the known ones.
    if (loaded.length > 0) known.set(apiUser, loaded)
    return loaded
  }
  const find = async (apiUser: string, secret: string): Promise<Credential | null> => {
    const givenHash = digestOf(secret)
    const findIn = (credentials: readonly Credential[]): Credential | undefined =>
      credentials
        .filter(({ keyHash }) => timingSafeEqual(Buffer.from(keyHash, 'hex'), givenHash))
        .find(({ expiresAt }) => expiresAt === null || expiresAt > now())
    const cached = known.get(apiUser)
    // A secret that is not known may have been made a moment ago.
    return (cached === undefined ? undefined : findIn(cached)) ?? findIn(await load(apiUser)) ?? null
  }
  return {
    findAccount: async (apiUser, apiKey) => {
      const found = await find(apiUser, apiKey)
      return found?.role === 'account' ? { account: found.account, apiUser } : null
    },
    isOperator: async (secret) => (await find(OPERATOR_API_USER, secret))?.role === 'operator',
  }
}

/** The account of an API user, or null. */
export async function findAccountByApiUser(reader: DatabaseReader, apiUser: string): Promise<number | null> {
  const found = (await findCredentialsForOperator(reader, apiUser)).find(({ role }) => role === 'account')
  return found?.account ?? null
}

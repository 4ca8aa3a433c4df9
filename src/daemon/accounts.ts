/**
 * accounts - making accounts and secrets, and knowing them again
 *
 * A secret is 32 random characters (192 bits), shown once and kept as SHA-256: it is long and random, so that a slow hash would add
 * nothing but time. A rotated one stays good for a while, so that senders can change over without a gap.
 *
 * See also: store/account/credentials, http/server/authenticate, commands/account/account.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { Fault } from '../errors.ts'
import { accountSettingsSchema } from '../ledger/account-settings.ts'
import type { AccountSettings } from '../ledger/account-settings.ts'
import { createAccount, findAccount, listAccountsForOperator } from '../store/account/accounts.ts'
import { addCredential, credentialsForOperator, expireCredentials } from '../store/account/credentials.ts'
import type { Credential } from '../store/account/credentials.ts'
import type { Db, Engine, Reader } from '../store/engine/engine.ts'
import type { Keys } from '../http/server/authenticate.ts'

/** The name under which the operator's secret lies; no account may bear it. */
const OPERATOR = 'operator'

/** The vendor's time, which clients count on. */
export const ROTATION_MS = 15 * 60_000

const API_USER = /^[\w.@-]{1,64}$/

function makeSecret(): string {
  return randomBytes(24).toString('base64url')
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

export type NewAccount = {
  readonly apiUser: string
  readonly apiKey: string | null
  readonly trust: AccountSettings['trust']
  readonly giveUpAfterDays: number
}

/** Makes an account with its first API user. Faults: conflict (the name is taken), bad_request (it is no name). */
export async function addAccount(db: Db, wanted: NewAccount, now: number): Promise<{ readonly account: number; readonly apiKey: string }> {
  const { apiUser, trust, giveUpAfterDays } = wanted
  if (!API_USER.test(apiUser) || apiUser === OPERATOR)
    throw new Fault('bad_request', 'an apiUser is 1 to 64 letters, digits or . _ @ -, and not "operator"')
  const apiKey = wanted.apiKey ?? makeSecret()
  const settings = accountSettingsSchema.parse({ trust, giveUpAfterDays })
  const { account } = await createAccount(db, { name: apiUser, createdAt: now, settings })
  await addCredential(db, credential({ account, apiUser, secret: apiKey, now, role: 'account' }))
  return { account, apiKey }
}

/** A second number for an account that mints tokens offline. Faults: not_found. */
export async function addOfflineNumber(db: Db, apiUser: string, now: number): Promise<number> {
  const owner = await accountOf(db, apiUser)
  if (owner === null) throw new Fault('not_found', `no account has the apiUser "${apiUser}"`)
  const settings = accountSettingsSchema.parse({})
  return (await createAccount(db, { name: `${apiUser} (offline)`, createdAt: now, settings, offlineFor: owner })).account
}

/** A new secret for an API user; the old ones end after the rotation time. Faults: not_found. */
export async function rotateSecret(db: Db, apiUser: string, now: number): Promise<string> {
  const [known] = await credentialsForOperator(db, apiUser)
  if (known === undefined) throw new Fault('not_found', `no account has the apiUser "${apiUser}"`)
  const secret = makeSecret()
  const fresh = credential({ account: known.account, apiUser, secret, now, role: known.role })
  await addCredential(db, fresh)
  await expireCredentials(db, known.account, { apiUser, keep: fresh.keyHash, at: now + ROTATION_MS })
  return secret
}

function credential(made: { account: number; apiUser: string; secret: string; now: number; role: Credential['role'] }): Credential {
  const { account, apiUser, secret, now, role } = made
  return { account, apiUser, keyHash: digestOf(secret).toString('hex'), role, createdAt: now, expiresAt: null }
}

/** What the first start made; the secrets are shown once and never again. `apiKey` null: the one that was given, which is shown nowhere. */
export type FirstStart = { readonly apiUser: string; readonly apiKey: string | null; readonly operatorSecret: string }

/** Makes the first account and the operator's secret in an empty store, once over all nodes; null when there are accounts. */
export async function firstStart(engine: Engine, wanted: NewAccount, now: number): Promise<FirstStart | null> {
  return engine.tx(
    async (db) => {
      if ((await listAccountsForOperator(db)).length > 0) return null
      const { apiKey } = await addAccount(db, wanted, now)
      const operatorSecret = makeSecret()
      await addCredential(db, credential({ account: 0, apiUser: OPERATOR, secret: operatorSecret, now, role: 'operator' }))
      return { apiUser: wanted.apiUser, apiKey: wanted.apiKey === null ? apiKey : null, operatorSecret }
    },
    { lock: 'first-start', sees: 'latest' },
  )
}

/** For how long a reading of the store is believed: what another process rotates or closes holds within a second. */
const FRESH_MS = 1_000

/** API users whose keys are kept in memory; each is a few hundred bytes. */
const MAX_KNOWN = 10_000

/** Knows secrets again, in constant time whatever is stored. A closed account is nobody's. */
export function createKeys(reader: Reader, now: () => number): Keys {
  const known = new LRUCache<string, readonly Credential[]>({ max: MAX_KNOWN, ttl: FRESH_MS })
  const credentialsOf = async (apiUser: string): Promise<readonly Credential[]> => {
    const held = known.get(apiUser)
    if (held !== undefined) return held
    const read = await openCredentials(reader, apiUser)
    // Names that nobody bears are not kept: a guesser must not push the others out.
    if (read.length > 0) known.set(apiUser, read)
    return read
  }
  const find = async (apiUser: string, secret: string): Promise<Credential | null> => {
    const given = digestOf(secret)
    const fits = (await credentialsOf(apiUser)).filter(({ keyHash }) => timingSafeEqual(Buffer.from(keyHash, 'hex'), given))
    return fits.find(({ expiresAt }) => expiresAt === null || expiresAt > now()) ?? null
  }
  return {
    account: async (apiUser, apiKey) => {
      const found = await find(apiUser, apiKey)
      return found?.role === 'account' ? { account: found.account, apiUser } : null
    },
    operator: async (secret) => (await find(OPERATOR, secret))?.role === 'operator',
  }
}

async function openCredentials(reader: Reader, apiUser: string): Promise<readonly Credential[]> {
  const read = await credentialsForOperator(reader, apiUser)
  const [first] = read
  if (first === undefined || first.account === 0) return read
  return (await findAccount(reader, first.account))?.closedAt === null ? read : []
}

/** The account behind an API user; null when nobody bears that name. */
export async function accountOf(reader: Reader, apiUser: string): Promise<number | null> {
  const found = (await credentialsForOperator(reader, apiUser)).find(({ role }) => role === 'account')
  return found?.account ?? null
}

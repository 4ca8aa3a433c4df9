/**
 * credentials - API users and the digests of their keys
 *
 * A key is stored as SHA-256: it is random and long, so a slow hash would add nothing. A rotated key stays valid until it expires. The
 * account of a caller is not known before this table has been read, hence the lookup over all accounts.
 *
 * See also: store/account/accounts.
 */
import { Fault } from '../../errors.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { hexToBytes, hexColumn, integerColumn, nullableColumn, createTableMapping, textColumn, textEnumColumn } from '../engine/mapping.ts'

export type Credential = {
  /** 0 for operators. */
  readonly account: number
  readonly apiUser: string
  /** SHA-256 of the key, hex. */
  readonly keyHash: string
  readonly role: 'account' | 'operator'
  readonly createdAt: number
  readonly expiresAt: number | null
}

export const CREDENTIALS = createTableMapping<Credential>('credentials', ['account_id', 'api_user', 'key_hash'], {
  account: integerColumn('account_id'),
  apiUser: textColumn('api_user', 'none'),
  keyHash: hexColumn('key_hash'),
  role: textEnumColumn<Credential['role']>('role'),
  createdAt: integerColumn('created_at'),
  expiresAt: nullableColumn(integerColumn('expires_at')),
})

/** The names of API users, unique over all accounts. */
export const API_USER_NAMES = createTableMapping<Pick<Credential, 'account' | 'apiUser'>>('api_users', ['api_user'], {
  apiUser: textColumn('api_user', 'none'),
  account: integerColumn('account_id'),
})

const COLUMNS = CREDENTIALS.columns('c')

/** Adds a credential. Throws Fault conflict if another account has this API user: names are unique over all accounts. */
export async function addCredential(db: Database, credential: Credential): Promise<void> {
  const { account, apiUser } = credential
  await db.run('insert into api_users (api_user, account_id) values ($1, $2) on conflict (api_user) do nothing', [apiUser, account])
  const owner = await db.one('select account_id from api_users where api_user = $1', [apiUser])
  if (owner?.['account_id'] !== account) throw new Fault('conflict', `the API user "${apiUser}" is taken`)
  await db.insertMany(CREDENTIALS, [credential], 'ignore')
}

/** Finds all keys of an API user in any account. The caller compares in constant time and checks `expiresAt`. */
export async function findCredentialsForOperator(reader: DatabaseReader, apiUser: string): Promise<readonly Credential[]> {
  return (await reader.all(`select ${COLUMNS} from credentials c where c.api_user = $1 order by c.created_at`, [apiUser])).map(
    CREDENTIALS.decode,
  )
}

/** The same, without those of a closed account. */
export async function findOpenCredentialsForOperator(reader: DatabaseReader, apiUser: string): Promise<readonly Credential[]> {
  // Operators belong to no account.
  const sql = `select ${COLUMNS} from credentials c where c.api_user = $1 and (c.account_id = 0
    or exists (select 1 from accounts a where a.account_id = c.account_id and a.closed_at is null)) order by c.created_at`
  return (await reader.all(sql, [apiUser])).map(CREDENTIALS.decode)
}

/** Lists the credentials of an account. */
export async function listCredentials(reader: DatabaseReader, account: number): Promise<readonly Credential[]> {
  const sql = `select ${COLUMNS} from credentials c where c.account_id = $1 order by c.api_user, c.created_at`
  return (await reader.all(sql, [account])).map(CREDENTIALS.decode)
}

/** Sets an end time for every key of an API user but one, unless it ends earlier. Returns how many changed. */
export async function expireCredentials(
  db: Database,
  account: number,
  expiry: { readonly apiUser: string; readonly keep: string; readonly at: number },
): Promise<number> {
  return db.run(
    `update credentials set expires_at = $1
     where account_id = $2 and api_user = $3 and key_hash <> $4 and (expires_at is null or expires_at > $1)`,
    [expiry.at, account, expiry.apiUser, hexToBytes(expiry.keep)],
  )
}

/** Removes expired keys. Returns how many. */
export async function removeExpiredCredentialsForOperator(db: Database, now: number): Promise<number> {
  return db.run('delete from credentials where expires_at <= $1', [now])
}

/**
 * token-keys - the ring of keys that tokens are signed with, sealed
 *
 * A key is stored as the vault sealed it and is never changed but by its retirement: the highest index signs, the others read, a retired one
 * does neither.
 *
 * See also: correlate/token.
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { bytesColumn, integerColumn, nullableColumn, createTableMapping } from '../engine/mapping.ts'

export type TokenKey = {
  /** 0: the ring from which accounts' keys are derived. */
  readonly account: number
  readonly index: number
  readonly sealed: Uint8Array
  readonly createdAt: number
  readonly retiredAt: number | null
}

export const TOKEN_KEYS = createTableMapping<TokenKey>('token_keys', ['account_id', 'key_index'], {
  account: integerColumn('account_id'),
  index: integerColumn('key_index'),
  sealed: bytesColumn('sealed', 'none'),
  createdAt: integerColumn('created_at'),
  retiredAt: nullableColumn(integerColumn('retired_at')),
})

const COLUMNS = TOKEN_KEYS.columns('t')

/** Adds a key. Throws Fault conflict where its index is taken. */
export async function addTokenKey(db: Database, key: TokenKey): Promise<void> {
  await db.insertMany(TOKEN_KEYS, [key])
}

/** The ring of one account, by index. */
export async function listTokenKeys(reader: DatabaseReader, account: number): Promise<readonly TokenKey[]> {
  return (await reader.all(`select ${COLUMNS} from token_keys t where t.account_id = $1 order by t.key_index`, [account])).map(
    TOKEN_KEYS.decode,
  )
}

/** All rings. */
export async function listTokenKeysForOperator(reader: DatabaseReader): Promise<readonly TokenKey[]> {
  return (await reader.all(`select ${COLUMNS} from token_keys t order by t.account_id, t.key_index`)).map(TOKEN_KEYS.decode)
}

/** Retires a key; whether it was in use until now. */
export async function retireTokenKey(
  db: Database,
  account: number,
  key: { readonly index: number; readonly at: number },
): Promise<boolean> {
  const sql = 'update token_keys set retired_at = $1 where account_id = $2 and key_index = $3 and retired_at is null'
  return (await db.run(sql, [key.at, account, key.index])) > 0
}

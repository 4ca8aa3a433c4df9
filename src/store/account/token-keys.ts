/**
 * token-keys - the keyring that signs tokens, encrypted
 *
 * A key is stored as the vault encrypted it and changes only by its retirement. The highest index signs, the other keys verify, a retired
 * key does neither.
 *
 * See also: correlate/token, config/vault.
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { bytesColumn, integerColumn, nullableColumn, createTableMapping } from '../engine/mapping.ts'

export type TokenKey = {
  /** 0: the keyring from which the keys of the accounts are derived. */
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

/** Adds a key. Throws Fault conflict if its index is taken. */
export async function addTokenKey(db: Database, key: TokenKey): Promise<void> {
  await db.insertMany(TOKEN_KEYS, [key])
}

/** Lists the keyring of one account, by index. */
export async function listTokenKeys(reader: DatabaseReader, account: number): Promise<readonly TokenKey[]> {
  return (await reader.all(`select ${COLUMNS} from token_keys t where t.account_id = $1 order by t.key_index`, [account])).map(
    TOKEN_KEYS.decode,
  )
}

/** Lists all keyrings. */
export async function listTokenKeysForOperator(reader: DatabaseReader): Promise<readonly TokenKey[]> {
  return (await reader.all(`select ${COLUMNS} from token_keys t order by t.account_id, t.key_index`)).map(TOKEN_KEYS.decode)
}

/** Retires a key. Returns whether it was in use. */
export async function retireTokenKey(
  db: Database,
  account: number,
  key: { readonly index: number; readonly at: number },
): Promise<boolean> {
  const sql = 'update token_keys set retired_at = $1 where account_id = $2 and key_index = $3 and retired_at is null'
  return (await db.run(sql, [key.at, account, key.index])) > 0
}

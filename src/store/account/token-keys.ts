/**
 * token-keys - the ring of keys that tokens are signed with, sealed
 *
 * A key is stored as the vault sealed it and is never changed but by its retirement: the highest index signs, the others read, a retired one
 * does neither.
 *
 * See also: correlate/token.
 */
import type { Db, Reader } from '../engine/engine.ts'
import { bytes, int, maybe, shapeOf } from '../engine/mapping.ts'

export type TokenKey = {
  /** 0: the ring from which accounts' keys are derived. */
  readonly account: number
  readonly index: number
  readonly sealed: Uint8Array
  readonly createdAt: number
  readonly retiredAt: number | null
}

const TOKEN_KEYS = shapeOf<TokenKey>('token_keys', ['account_id', 'key_index'], {
  account: int('account_id'),
  index: int('key_index'),
  sealed: bytes('sealed'),
  createdAt: int('created_at'),
  retiredAt: maybe(int('retired_at')),
})

const COLUMNS = TOKEN_KEYS.columns('t')

/** Adds a key. Throws Fault conflict where its index is taken. */
export async function addTokenKey(db: Db, key: TokenKey): Promise<void> {
  await db.insertMany(TOKEN_KEYS, [key])
}

/** The ring of one account, by index. */
export async function tokenKeys(reader: Reader, account: number): Promise<readonly TokenKey[]> {
  return (await reader.all(`select ${COLUMNS} from token_keys t where t.account_id = $1 order by t.key_index`, [account])).map(
    TOKEN_KEYS.decode,
  )
}

/** All rings. */
export async function tokenKeysForOperator(reader: Reader): Promise<readonly TokenKey[]> {
  return (await reader.all(`select ${COLUMNS} from token_keys t order by t.account_id, t.key_index`)).map(TOKEN_KEYS.decode)
}

/** Retires a key; whether it was in use until now. */
export async function retireTokenKey(db: Db, account: number, key: { readonly index: number; readonly at: number }): Promise<boolean> {
  const sql = 'update token_keys set retired_at = $1 where account_id = $2 and key_index = $3 and retired_at is null'
  return (await db.run(sql, [key.at, account, key.index])) > 0
}

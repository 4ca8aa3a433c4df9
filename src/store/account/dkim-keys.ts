/**
 * dkim-keys - the keys that the domains of an account sign with
 *
 * A key waits until its DNS record is visible, signs while it is active, and is retired by the next key. Its private half is then removed
 * at once. Its row stays as long as its record must, for mail that is still in transit.
 *
 * See also: mail-auth/dkim-sign, service/admin/dkim.
 */
import type { DkimAlgorithm } from '../../compose/dkim-canonical.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { bytesColumn, integerColumn, nullableColumn, createTableMapping, textColumn, textEnumColumn } from '../engine/mapping.ts'

type DkimKeyState = 'waiting' | 'active' | 'retired'

export type DkimKey = {
  readonly account: number
  /** A-label, lower case. */
  readonly domain: string
  readonly selector: string
  readonly algorithm: DkimAlgorithm
  /** Base64, as in its DNS record. */
  readonly publicKey: string
  /** Null: retired. */
  readonly sealed: Uint8Array | null
  readonly state: DkimKeyState
  readonly createdAt: number
  readonly stateAt: number
}

export const DKIM_KEYS = createTableMapping<DkimKey>('dkim_keys', ['account_id', 'domain', 'selector'], {
  account: integerColumn('account_id'),
  domain: textColumn('domain', 'none'),
  selector: textColumn('selector', 'none'),
  algorithm: textEnumColumn<DkimAlgorithm>('algorithm'),
  publicKey: textColumn('public_key', 'none'),
  sealed: nullableColumn(bytesColumn('sealed', 'none')),
  state: textEnumColumn<DkimKeyState>('state'),
  createdAt: integerColumn('created_at'),
  stateAt: integerColumn('state_at'),
})

const COLUMNS = DKIM_KEYS.columns('d')

/** Adds a key. Throws Fault conflict if the domain already has this selector in this account. */
export async function addDkimKey(db: Database, key: DkimKey): Promise<void> {
  await db.insertMany(DKIM_KEYS, [key])
}

/** Updates a key. */
export async function saveDkimKey(db: Database, key: DkimKey): Promise<void> {
  await db.upsertMany(DKIM_KEYS, [key])
}

/** Lists the keys of an account, or of one of its domains, by domain, newest first. */
export async function listDkimKeys(reader: DatabaseReader, account: number, domain: string | null = null): Promise<readonly DkimKey[]> {
  const sql = `select ${COLUMNS} from dkim_keys d where d.account_id = $1 and (cast($2 as text) is null or d.domain = $2)
    order by d.domain, d.created_at desc, d.selector`
  return (await reader.all(sql, [account, domain])).map(DKIM_KEYS.decode)
}

/** Lists every key in a state. */
export async function listDkimKeysForOperator(reader: DatabaseReader, state: DkimKeyState): Promise<readonly DkimKey[]> {
  return (
    await reader.all(`select ${COLUMNS} from dkim_keys d where d.state = $1 order by d.account_id, d.domain, d.selector`, [state])
  ).map(DKIM_KEYS.decode)
}

/** Removes a key. Returns whether it existed. */
export async function removeDkimKey(db: Database, account: number, key: Pick<DkimKey, 'domain' | 'selector'>): Promise<boolean> {
  const sql = 'delete from dkim_keys where account_id = $1 and domain = $2 and selector = $3'
  return (await db.run(sql, [account, key.domain, key.selector])) > 0
}

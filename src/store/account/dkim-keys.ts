/**
 * dkim-keys - the keys that an account's domains sign with
 *
 * A key waits until its record can be seen, signs while it is active, and is retired by the next one: then its private half goes at once, and
 * its row stays as long as its record must, for mails on their way.
 *
 * See also: mail-auth/dkim-sign, service/admin/dkim.
 */
import type { DkimAlgorithm } from '../../compose/dkim-canonical.ts'
import type { Db, Reader } from '../engine/engine.ts'
import { bytes, int, maybe, shapeOf, text, word } from '../engine/mapping.ts'

export type DkimState = 'waiting' | 'active' | 'retired'

export type DkimKey = {
  readonly account: number
  /** A-label, lower case. */
  readonly domain: string
  readonly selector: string
  readonly algorithm: DkimAlgorithm
  /** Base64, as in its record. */
  readonly publicKey: string
  /** Null: retired. */
  readonly sealed: Uint8Array | null
  readonly state: DkimState
  readonly createdAt: number
  readonly stateAt: number
}

const DKIM_KEYS = shapeOf<DkimKey>('dkim_keys', ['account_id', 'domain', 'selector'], {
  account: int('account_id'),
  domain: text('domain'),
  selector: text('selector'),
  algorithm: word<DkimAlgorithm>('algorithm'),
  publicKey: text('public_key'),
  sealed: maybe(bytes('sealed')),
  state: word<DkimState>('state'),
  createdAt: int('created_at'),
  stateAt: int('state_at'),
})

const COLUMNS = DKIM_KEYS.columns('d')

/** Adds a key. Throws Fault conflict where the account's domain has this selector. */
export async function addDkimKey(db: Db, key: DkimKey): Promise<void> {
  await db.insertMany(DKIM_KEYS, [key])
}

/** Changes a key that is there. */
export async function saveDkimKey(db: Db, key: DkimKey): Promise<void> {
  await db.upsertMany(DKIM_KEYS, [key])
}

/** The keys of an account, the newest of a domain first; of one domain where it is named. */
export async function listDkimKeys(reader: Reader, account: number, domain: string | null = null): Promise<readonly DkimKey[]> {
  const sql = `select ${COLUMNS} from dkim_keys d where d.account_id = $1 and (cast($2 as text) is null or d.domain = $2)
    order by d.domain, d.created_at desc, d.selector`
  return (await reader.all(sql, [account, domain])).map(DKIM_KEYS.decode)
}

/** Every key in a state. */
export async function dkimKeysForOperator(reader: Reader, state: DkimState): Promise<readonly DkimKey[]> {
  return (
    await reader.all(`select ${COLUMNS} from dkim_keys d where d.state = $1 order by d.account_id, d.domain, d.selector`, [state])
  ).map(DKIM_KEYS.decode)
}

/** Removes a key; whether it was there. */
export async function removeDkimKey(db: Db, account: number, key: Pick<DkimKey, 'domain' | 'selector'>): Promise<boolean> {
  const sql = 'delete from dkim_keys where account_id = $1 and domain = $2 and selector = $3'
  return (await db.run(sql, [account, key.domain, key.selector])) > 0
}

/**
 * advice - advice to MTAs that keep their own queues, and the outcomes and commands that wait for the node that works it out
 *
 * A row of advice is one episode of a backoff key of an account's MTA, apart from the keys of our own queue. `version` rises with each commit that changes
 * it, so that a reader can ask for what is new. Whoever records reported outcomes adds a row in the same transaction; the node with the lease
 * removes it with the advice that followed.
 *
 * See also: queue/advice/advice-machine, service/advise/adviser.
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { createTableMapping, integerColumn, textColumn, uuidColumn, uuidToBytes } from '../engine/mapping.ts'

export type AdviceRow = {
  readonly account: number
  readonly key: string
  /** The class of the episode. */
  readonly name: string
  /** The episode with its domains, and the advice that follows from it, as JSON. */
  readonly data: string
  readonly version: number
}

export const ADVICE_ROWS = createTableMapping<AdviceRow>('mta_advice', ['account_id', 'key', 'name'], {
  account: integerColumn('account_id'),
  key: textColumn('key', 'none'),
  name: textColumn('name', 'none'),
  data: textColumn('data', 'json'),
  version: integerColumn('version'),
})

/** What waits for the node with the lease: the outcomes of one request, or a person's Recover. */
export type AdviceInputRow = { readonly account: number; readonly id: string; readonly at: number; readonly data: string }

export const ADVICE_INPUTS = createTableMapping<AdviceInputRow>('mta_outcomes', ['account_id', 'id'], {
  account: integerColumn('account_id'),
  id: uuidColumn('id'),
  at: integerColumn('at'),
  data: textColumn('data', 'json'),
})

/** Adds inputs. An existing row stays as it is. */
export async function addAdviceInputsForOperator(db: Database, rows: readonly AdviceInputRow[]): Promise<void> {
  await db.insertMany(ADVICE_INPUTS, rows, 'ignore')
}

/** Lists at most `limit` inputs, oldest first. */
export async function listAdviceInputsForOperator(reader: DatabaseReader, limit: number): Promise<readonly AdviceInputRow[]> {
  const sql = `select ${ADVICE_INPUTS.columns('i')} from mta_outcomes i order by i.at, i.account_id, i.id limit $1`
  return (await reader.all(sql, [limit])).map(ADVICE_INPUTS.decode)
}

/** Removes inputs. Idempotent. */
export async function removeAdviceInputsForOperator(db: Database, rows: readonly AdviceInputRow[]): Promise<void> {
  const keys = rows.map(({ account, id }) => [account, uuidToBytes(id)])
  const sql = 'delete from mta_outcomes where (account_id, id) in (select k.k1, k.k2 from {keys} k)'
  await db.inKeys(sql, { types: ['int', 'bytes'], rows: keys })
}

/** Removes at most `limit` inputs that no node has read since a moment. Returns how many. */
export async function removeOldAdviceInputsForOperator(db: Database, before: number, limit: number): Promise<number> {
  const key = 'account_id, id'
  return db.run(`delete from mta_outcomes where (${key}) in (select ${key} from mta_outcomes where at < $1 limit $2)`, [before, limit])
}

/** Inserts or updates advice, and removes what is no longer needed. */
export async function saveAdviceForOperator(
  db: Database,
  rows: readonly AdviceRow[],
  removed: readonly Pick<AdviceRow, 'account' | 'key' | 'name'>[],
): Promise<void> {
  const keys = removed.map(({ account, key, name }) => [account, key, name])
  await Promise.all([
    db.upsertMany(ADVICE_ROWS, rows),
    db.inKeys('delete from mta_advice where (account_id, key, name) in (select k.k1, k.k2, k.k3 from {keys} k)', {
      types: ['int', 'text', 'text'],
      rows: keys,
    }),
  ])
}

const ORDER = 'order by a.account_id, a.key, a.name'

/** Lists the advice of an account with a higher version. */
export async function listAdvice(reader: DatabaseReader, account: number, after: number): Promise<readonly AdviceRow[]> {
  const sql = `select ${ADVICE_ROWS.columns('a')} from mta_advice a where a.account_id = $1 and a.version > $2 ${ORDER}`
  return (await reader.all(sql, [account, after])).map(ADVICE_ROWS.decode)
}

/** Lists the advice of all accounts with a higher version. */
export async function listAdviceForOperator(reader: DatabaseReader, after: number): Promise<readonly AdviceRow[]> {
  const sql = `select ${ADVICE_ROWS.columns('a')} from mta_advice a where a.version > $1 ${ORDER}`
  return (await reader.all(sql, [after])).map(ADVICE_ROWS.decode)
}

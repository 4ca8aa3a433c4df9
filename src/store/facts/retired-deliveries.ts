/**
 * retired-deliveries - what remains of retired deliveries until their tokens expire
 *
 * Narrow rows, written in the transaction that retires the delivery. Ids sort by their day, so expired rows are at the start of each
 * account's key range.
 *
 * See also: ledger/project/retired-delivery, store/facts/retention, service/admin/retire.
 */
import type { RetiredDelivery } from '../../ledger/project/state.ts'
import type { Database, KeyTuples, DatabaseReader } from '../engine/engine.ts'
import { hexColumn, integerColumn, nullableColumn, createTableMapping, textColumn } from '../engine/mapping.ts'

export const RETIRED_DELIVERIES = createTableMapping<RetiredDelivery>(
  'retired_deliveries',
  ['account_id', 'delivery_id', 'delivery_month'],
  {
    account: integerColumn('account_id'),
    deliveryId: textColumn('delivery_id', 'none'),
    month: integerColumn('delivery_month'),
    addressHash: hexColumn('address_hash'),
    domain: textColumn('domain', 'none'),
    apiUser: textColumn('api_user', 'none'),
    labelId: nullableColumn(integerColumn('label_id')),
    label: nullableColumn(textColumn('label', 'none')),
  },
)

/** Adds rows. An existing row stays as it is. */
export async function addRetiredDeliveries(db: Database, rows: readonly RetiredDelivery[]): Promise<void> {
  await db.insertMany(RETIRED_DELIVERIES, rows, 'ignore')
}

/** Finds the remainders of these deliveries. Deliveries without one are left out. */
export async function findRetiredDeliveries(
  reader: DatabaseReader,
  wanted: readonly { readonly account: number; readonly deliveryId: string }[],
): Promise<readonly RetiredDelivery[]> {
  const keys: KeyTuples = { types: ['int', 'text'], rows: wanted.map(({ account, deliveryId }) => [account, deliveryId]) }
  const sql = `select ${RETIRED_DELIVERIES.columns('r')} from {keys} k cross join retired_deliveries r where r.account_id = k.k1 and r.delivery_id = k.k2`
  return (await reader.inKeys(sql, keys)).map(RETIRED_DELIVERIES.decode)
}

/** Counts the rows of an account below an id. */
export async function countRetiredDeliveries(reader: DatabaseReader, account: number, before: string): Promise<number> {
  const sql = 'select count(*) as n from retired_deliveries r where r.account_id = $1 and r.delivery_id < $2'
  return Number((await reader.one(sql, [account, before]))?.['n'] ?? 0)
}

/** Removes at most `limit` of the oldest rows below an id. Returns how many. */
export async function removeRetiredDeliveries(
  db: Database,
  account: number,
  page: { readonly before: string; readonly limit: number },
): Promise<number> {
  const sql = `delete from retired_deliveries where account_id = $1 and delivery_id in (
    select r.delivery_id from retired_deliveries r where r.account_id = $1 and r.delivery_id < $2 order by r.delivery_id limit $3)`
  return db.run(sql, [account, page.before, page.limit])
}

/**
 * retired-deliveries - what is kept of retired deliveries until their tokens run out
 *
 * Narrow rows, written in the transaction that retires the delivery. Ids begin with their day and sort by it, so that what has run out is found
 * at the beginning of each account's key.
 *
 * See also: ledger/project/retired-delivery, store/facts/retention, service/admin/retire.
 */
import type { Remains } from '../../ledger/project/retired-delivery.ts'
import type { Db, Keys, Reader } from '../engine/engine.ts'
import { hex, int, maybe, shapeOf, text } from '../engine/mapping.ts'

export const REMAINS = shapeOf<Remains>('retired_deliveries', ['account_id', 'delivery_id', 'delivery_month'], {
  account: int('account_id'),
  deliveryId: text('delivery_id'),
  month: int('delivery_month'),
  addressHash: hex('address_hash'),
  domain: text('domain'),
  apiUser: text('api_user'),
  labelId: maybe(int('label_id')),
  label: maybe(text('label')),
})

/** Keeps what remains; what is kept already stays as it is. */
export async function addRemains(db: Db, rows: readonly Remains[]): Promise<void> {
  await db.insertMany(REMAINS, rows, 'ignore')
}

/** Of these deliveries, as far as they were retired and something is kept. */
export async function findRemains(
  reader: Reader,
  wanted: readonly { readonly account: number; readonly deliveryId: string }[],
): Promise<readonly Remains[]> {
  const keys: Keys = { types: ['int', 'text'], rows: wanted.map(({ account, deliveryId }) => [account, deliveryId]) }
  const sql = `select ${REMAINS.columns('r')} from {keys} k cross join retired_deliveries r where r.account_id = k.k1 and r.delivery_id = k.k2`
  return (await reader.inKeys(sql, keys)).map(REMAINS.decode)
}

/** How many of an account are older than an id. */
export async function countRemains(reader: Reader, account: number, before: string): Promise<number> {
  const sql = 'select count(*) as n from retired_deliveries r where r.account_id = $1 and r.delivery_id < $2'
  return Number((await reader.one(sql, [account, before]))?.['n'] ?? 0)
}

/** Removes the oldest that are older than an id, at most `limit`; how many went. */
export async function removeRemains(db: Db, account: number, page: { readonly before: string; readonly limit: number }): Promise<number> {
  const sql = `delete from retired_deliveries where account_id = $1 and delivery_id in (
    select r.delivery_id from retired_deliveries r where r.account_id = $1 and r.delivery_id < $2 order by r.delivery_id limit $3)`
  return db.run(sql, [account, page.before, page.limit])
}

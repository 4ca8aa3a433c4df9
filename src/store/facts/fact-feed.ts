/**
 * fact-feed - an account's facts in the order of their ids, for subscribers
 *
 * Ids are created before the commit, by the clocks of several nodes, so a lower id may appear after a higher one. A subscriber therefore
 * reads a window of the past again (service/notify/event-feed). The index holds account and id, so this reads no rows.
 *
 * See also: store/facts/facts, ledger/facts/fact.
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import { monthOfDelivery } from '../../correlate/delivery-id.ts'
import type { DatabaseReader } from '../engine/engine.ts'
import { decodeFact } from './facts.ts'
import { FACTS, LIST_FACTS } from '../schema.ts'
import { uuidToBytes, bytesToUuid } from '../engine/mapping.ts'
import type { SqlValue } from '../engine/value.ts'

/** Lists the ids of an account's facts above one id, in order. */
export async function listFactIdsAfter(reader: DatabaseReader, account: number, after: string, limit: number): Promise<readonly string[]> {
  const sql = `select e.id as id from events e where e.account_id = $1 and e.id > $2
    union all select l.id as id from list_events l where l.account_id = $1 and l.id > $2 order by id limit $3`
  return (await reader.all(sql, [account, uuidToBytes(after), limit])).map(({ id }) => decodeUuid(id))
}

function decodeUuid(id: SqlValue | undefined): string {
  return id instanceof Uint8Array ? bytesToUuid(id) : ''
}

/** Finds the facts with these ids, in the order of the ids. Ids that do not exist are left out. */
export async function findFactsById(reader: DatabaseReader, account: number, ids: readonly string[]): Promise<readonly Fact[]> {
  if (ids.length === 0) return []
  const keys = { types: ['int', 'bytes'], rows: ids.map((id) => [account, uuidToBytes(id)]) } as const
  const readFrom = (mapping: typeof FACTS) =>
    reader.inKeys(
      `select ${mapping.columns('e')} from {keys} k cross join ${mapping.table.name} e where e.account_id = k.k1 and e.id = k.k2`,
      keys,
    )
  const [events, lists] = await Promise.all([readFrom(FACTS), readFrom(LIST_FACTS)])
  return [...events, ...lists].map(decodeFact).toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

/** The names by which the API knows an account's deliveries. Deliveries that do not exist are left out. */
export async function findPublicNames(
  reader: DatabaseReader,
  account: number,
  deliveryIds: readonly string[],
): Promise<ReadonlyMap<string, { readonly emailId: string | null; readonly recipient: string | null }>> {
  if (deliveryIds.length === 0) return new Map()
  const sql = `select d.delivery_id, d.email_id, d.recipient from {keys} k cross join deliveries d
    where d.account_id = k.k1 and d.delivery_id = k.k2 and d.delivery_month = k.k3`
  const keys = [...new Set(deliveryIds)].map((id) => [account, id, monthOfDelivery(id)])
  const rows = await reader.inKeys(sql, { types: ['int', 'text', 'int'], rows: keys })
  return new Map(
    rows.map((row) => [
      String(row['delivery_id']),
      { emailId: decodeNullableText(row['email_id']), recipient: decodeNullableText(row['recipient']) },
    ]),
  )
}

const decodeNullableText = (value: SqlValue | undefined): string | null => (typeof value === 'string' ? value : null)

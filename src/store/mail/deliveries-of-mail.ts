/**
 * deliveries-of-mail - the recipients of deliveries, and the deliveries to given recipients of one mail
 *
 * See also: service/follow/delivery-finder, store/mail/message-id-lookup (without a recipient).
 */
import { monthOfDelivery } from '../../correlate/delivery-id.ts'
import type { DatabaseReader } from '../engine/engine.ts'
import { bytesToHex, hexToBytes } from '../engine/mapping.ts'
import type { SqlRow } from '../engine/value.ts'

type FoundRecipient = { readonly account: number; readonly deliveryId: string; readonly addressHash: string }

/** The hashes of the addresses that deliveries were sent to. */
export async function findAddressesOfDeliveries(
  reader: DatabaseReader,
  wanted: readonly { readonly account: number; readonly deliveryId: string }[],
): Promise<readonly FoundRecipient[]> {
  const sql = `select d.account_id, d.delivery_id, d.address_hash from {keys} k cross join deliveries d
    where d.account_id = k.k1 and d.delivery_id = k.k2 and d.delivery_month = k.k3`
  const keys = unique(wanted.map(({ account, deliveryId }) => [account, deliveryId] as const))
  const rows = keys.map(([account, id]) => [account, id, monthOfDelivery(id)])
  return (await reader.inKeys(sql, { types: ['int', 'text', 'int'], rows })).map(recipientOf)
}

/** By the Message-ID header, in all accounts. `found` names the Message-ID. */
export async function findByMessageIdAndAddressForOperator(
  reader: DatabaseReader,
  wanted: readonly { readonly messageId: string; readonly addressHash: string }[],
): Promise<readonly (FoundRecipient & { readonly messageId: string })[]> {
  const sql = `select d.account_id, d.delivery_id, d.address_hash, d.message_id_header from {keys} k cross join deliveries d
    where d.message_id_header is not null and d.message_id_header = k.k1 and d.address_hash = k.k2`
  const rows = unique(wanted.map(({ messageId, addressHash }) => [messageId, addressHash] as const))
  const found = await reader.inKeys(sql, { types: ['text', 'bytes'], rows: rows.map(([id, hash]) => [id, hexToBytes(hash)]) })
  return found.map((row) => ({ ...recipientOf(row), messageId: String(row['message_id_header']) }))
}

/** By another delivery of the same request. `sibling` is the delivery that was named. */
export async function findSiblingsByAddress(
  reader: DatabaseReader,
  wanted: readonly { readonly account: number; readonly deliveryId: string; readonly addressHash: string }[],
): Promise<readonly (FoundRecipient & { readonly sibling: string })[]> {
  const sql = `select s.account_id, s.delivery_id, s.address_hash, d.delivery_id as sibling
    from {keys} k cross join deliveries d cross join deliveries s
    where d.account_id = k.k1 and d.delivery_id = k.k2 and d.delivery_month = k.k3
      and s.account_id = k.k1 and s.address_hash = k.k4 and s.message_id = d.message_id`
  const rows = unique(wanted.map(({ account, deliveryId, addressHash }) => [account, deliveryId, addressHash] as const))
  const found = await reader.inKeys(sql, {
    types: ['int', 'text', 'int', 'bytes'],
    rows: rows.map(([account, id, hash]) => [account, id, monthOfDelivery(id), hexToBytes(hash)]),
  })
  return found.map((row) => ({ ...recipientOf(row), sibling: String(row['sibling']) }))
}

function recipientOf(row: SqlRow): FoundRecipient {
  const hash = row['address_hash']
  const addressHash = hash instanceof Uint8Array ? bytesToHex(hash) : ''
  return { account: Number(row['account_id']), deliveryId: String(row['delivery_id']), addressHash }
}

const unique = <Row extends readonly (string | number)[]>(rows: readonly Row[]): readonly Row[] => [
  ...new Map(rows.map((row) => [row.join('/'), row])).values(),
]

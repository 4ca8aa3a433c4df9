/**
 * scan - from one end of a time to the other, a bounded look at a time
 *
 * A step looks at so many rows of the time, whatever the filters let through: so each is a short read, however rare what is sought. It gives
 * what it found and where the next step begins; null: that was the last. Rows come oldest first. Steps do not share a snapshot: each row is as
 * it was when its step read it.
 *
 * See also: service/export/export-kinds (who walks), store/mail/deliveries and store/lists/suppressions (the filters).
 */
import type { ListName } from '../../ledger/facts/fact.ts'
import type { DeliveryRow, SuppressionRow } from '../../ledger/project/state.ts'
import { deliveriesWhere } from '../mail/deliveries.ts'
import type { DeliveryCursor, DeliveryFilters } from '../mail/deliveries.ts'
import type { Reader } from '../engine/engine.ts'
import { DELIVERIES, SUPPRESSIONS } from '../schema.ts'
import { bytesOfHex, hexOfBytes } from '../engine/mapping.ts'
import { suppressionsWhere } from '../lists/suppressions.ts'
import type { SuppressionCursor, SuppressionFilters } from '../lists/suppressions.ts'
import type { Value } from '../engine/value.ts'
import type { Where } from '../engine/filter.ts'

export type Step<R, C> = { readonly rows: readonly R[]; readonly next: C | null }

/** Behind `after` (null: from the start), rows of [from, to), `look` of them at most. */
export type Stride<C> = { readonly from: number; readonly to: number; readonly after: C | null; readonly look: number }

/** Of a row's sixty columns those that a file may show: the rest would cost as much again. */
const WALKED = [
  'deliveryId',
  'emailId',
  'messageId',
  'recipient',
  'domain',
  'from',
  'subject',
  'label',
  'apiUser',
  'broadcast',
  'emailType',
  'requestedAt',
  'requestIp',
  'egressIp',
  'status',
  'subStatus',
  'asynchronous',
  'reason',
  'permanence',
  'fault',
  'weak',
  'forwarded',
  'rule',
  'sendLog',
  'modifiedAt',
  'deliveredAt',
  'openedAt',
  'clickedAt',
  'opens',
  'clicks',
  'complaints',
  'unsubscribes',
  'result',
  'resultBase',
  'resultAt',
] as const satisfies readonly (keyof DeliveryRow)[]

export type WalkedDelivery = Pick<DeliveryRow, (typeof WALKED)[number]>

const WALK = DELIVERIES.pick(WALKED)
const DELIVERY = WALK.columns('d')
const ENTRY = SUPPRESSIONS.columns('s')

/** Mails of one account by the time of their request. */
export async function walkDeliveries(
  reader: Reader,
  account: number,
  filters: Omit<DeliveryFilters, 'from' | 'to'>,
  stride: Stride<DeliveryCursor>,
): Promise<Step<WalkedDelivery, DeliveryCursor>> {
  const { requestedAt, deliveryId } = stride.after ?? { requestedAt: stride.from, deliveryId: '' }
  const sql = `select d.requested_at, d.delivery_id from deliveries d where d.account_id = $1 and (d.requested_at, d.delivery_id) > ($2, $3)
    and d.requested_at < $4 order by d.requested_at, d.delivery_id limit 1 offset $5`
  const edge = await reader.one(sql, [account, requestedAt, deliveryId, stride.to, stride.look - 1])
  const next = edge === null ? null : { requestedAt: Number(edge['requested_at']), deliveryId: String(edge['delivery_id']) }
  // The step's own end, not the walk's: SQLite takes one bound into the index, and would read on to that one.
  const where = deliveriesWhere(account, { ...filters, from: requestedAt, to: next === null ? stride.to : next.requestedAt + 1 })
  between(where, '(d.requested_at, d.delivery_id)', [requestedAt, deliveryId], next === null ? null : [next.requestedAt, next.deliveryId])
  const found = `select ${DELIVERY} from deliveries d where ${where.sql()} order by d.requested_at, d.delivery_id`
  return { rows: (await reader.all(found, where.params())).map(WALK.decode), next }
}

/** Entries of one list by the time from which they hold. */
export async function walkSuppressions(
  reader: Reader,
  account: number,
  filters: Omit<SuppressionFilters, 'from' | 'to'>,
  stride: Stride<SuppressionCursor>,
): Promise<Step<SuppressionRow, SuppressionCursor>> {
  const { from, addressHash, scope } = stride.after ?? { from: stride.from, addressHash: '', scope: '' }
  const sql = `select s.from_at, s.address_hash, s.scope from suppressions s where s.account_id = $1 and s.list = $2
    and (s.from_at, s.address_hash, s.scope) > ($3, $4, $5) and s.from_at < $6 order by s.from_at, s.address_hash, s.scope limit 1 offset $7`
  const list: ListName = filters.list
  const edge = await reader.one(sql, [account, list, from, bytesOfHex(addressHash), scope, stride.to, stride.look - 1])
  const hash = edge?.['address_hash']
  const next =
    edge !== null && hash instanceof Uint8Array
      ? { from: Number(edge['from_at']), addressHash: hexOfBytes(hash), scope: String(edge['scope']) }
      : null
  const where = suppressionsWhere(account, { ...filters, from, to: next === null ? stride.to : next.from + 1 })
  const last = next === null ? null : [next.from, bytesOfHex(next.addressHash), next.scope]
  between(where, '(s.from_at, s.address_hash, s.scope)', [from, bytesOfHex(addressHash), scope], last)
  const found = `select ${ENTRY} from suppressions s where ${where.sql()} order by s.from_at, s.address_hash, s.scope`
  return { rows: (await reader.all(found, where.params())).map(SUPPRESSIONS.decode), next }
}

/** Behind one key, and up to another. */
function between(where: Where, key: string, behind: readonly Value[], upTo: readonly Value[] | null): void {
  where.also(`${key} > (${behind.map(where.param).join(', ')})`)
  if (upTo !== null) where.also(`${key} <= (${upTo.map(where.param).join(', ')})`)
}

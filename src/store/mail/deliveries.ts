/**
 * deliveries - what became of each mail: looked up, filtered, counted
 *
 * Lists go newest first and by key: a page knows where the next one begins, however deep. `start` serves doors that count.
 *
 * See also: ledger/project/state (DeliveryRow), store/facts/facts (the timeline), store/facts/ledger-state (which writes).
 */
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { KeyTuples, DatabaseReader } from '../engine/engine.ts'
import { DELIVERIES } from './delivery-columns.ts'
import { hexToBytes } from '../engine/mapping.ts'
import { createSqlFilter } from '../engine/filter.ts'
import type { SqlFilter } from '../engine/filter.ts'

export type DeliveryFilters = {
  /** Requested at or after, and before; epoch milliseconds. */
  readonly from?: number
  readonly to?: number
  readonly addressHash?: string
  readonly emailIds?: readonly string[]
  readonly messageId?: string
  readonly labelIds?: readonly number[]
  /** Part of a label's name, in any case; only where `labelIds` is not given. */
  readonly labelName?: string
  readonly apiUsers?: readonly string[]
  readonly domain?: string
  readonly status?: DeliveryRow['status']
  readonly subStatuses?: readonly number[]
  readonly requestIp?: string
  readonly egressIp?: string
  readonly emailType?: DeliveryRow['emailType']
  readonly broadcast?: string
  readonly fault?: NonNullable<DeliveryRow['fault']>
  readonly reason?: string
  readonly result?: DeliveryRow['result']
}

/** Where a page ended; the next begins behind it. */
export type DeliveryCursor = { readonly requestedAt: number; readonly deliveryId: string }

type DeliveryPage = { readonly start?: number; readonly limit: number; readonly after?: DeliveryCursor; readonly total?: boolean }

const COLUMNS = DELIVERIES.columns('d')

/** Deliveries of one account by their ids, in no order; what is not there is left out. */
export async function findDeliveriesByIds(
  reader: DatabaseReader,
  account: number,
  ids: readonly string[],
): Promise<readonly DeliveryRow[]> {
  const sql = `select ${COLUMNS} from {keys} k cross join deliveries d where d.account_id = $1 and d.delivery_id = k.k1`
  return (await reader.inKeys(sql, { types: ['text'], rows: [...new Set(ids)].map((id) => [id]) }, [account])).map(DELIVERIES.decode)
}

/** By emailId, whole; unknown ones are not in the answer. */
export async function findDeliveriesByEmailIds(
  reader: DatabaseReader,
  account: number,
  emailIds: readonly string[],
): Promise<readonly DeliveryRow[]> {
  const sql = `select ${COLUMNS} from {keys} k cross join deliveries d where d.account_id = $1 and d.email_id is not null and d.email_id = k.k1`
  return (await reader.inKeys(sql, { types: ['text'], rows: emailIds.map((emailId) => [emailId]) }, [account])).map(DELIVERIES.decode)
}

/** One page, newest first; `total` counts all that the filters let through (null where it was not asked for). */
export async function listDeliveries(
  reader: DatabaseReader,
  account: number,
  filters: DeliveryFilters,
  page: DeliveryPage,
): Promise<{ readonly rows: readonly DeliveryRow[]; readonly total: number | null }> {
  const where = createDeliveryFilter(account, filters)
  const counted =
    page.total === true ? reader.one(`select count(*) as n from deliveries d where ${where.sql()}`, [...where.parameters()]) : null
  const { after } = page
  const timeColumn = timeColumnFor(filters)
  const afterCondition =
    after === undefined
      ? ''
      : ` and (${timeColumn}, d.delivery_id) < (${where.addParameter(after.requestedAt)}, ${where.addParameter(after.deliveryId)})`
  const limits = `limit ${where.addParameter(page.limit)} offset ${where.addParameter(page.start ?? 0)}`
  const sql = `select ${COLUMNS} from deliveries d where ${where.sql()}${afterCondition} order by ${timeColumn} desc, d.delivery_id desc ${limits}`
  const [rows, total] = await Promise.all([reader.all(sql, where.parameters()), counted])
  return { rows: rows.map(DELIVERIES.decode), total: total === null ? null : Number(total['n']) }
}

/**
 * Mails still sending that were requested in [from, to), oldest first: what a give-up looks through. What waits in our own queue is left
 * out: the queue ends it.
 */
export async function listSendingDeliveries(
  reader: DatabaseReader,
  account: number,
  window: { readonly from: number; readonly to: number },
  page: { readonly limit: number; readonly after?: DeliveryCursor },
): Promise<readonly DeliveryRow[]> {
  const after = page.after ?? { requestedAt: window.from, deliveryId: '' }
  const sql = `select ${COLUMNS} from deliveries d
    where d.account_id = $1 and d.requested_at < $2 and (d.requested_at, d.delivery_id) > ($3, $4) and d.status = 18
      and not exists (select 1 from queue_mails q where q.account_id = d.account_id and q.delivery_id = d.delivery_id)
    order by d.requested_at, d.delivery_id limit $5`
  return (await reader.all(sql, [account, window.to, after.requestedAt, after.deliveryId, page.limit])).map(DELIVERIES.decode)
}

/** The newest `limit` deliveries to each address; rows that are `known` by deliveryId are taken from there. */
export async function listRecentDeliveriesByAddress(
  reader: DatabaseReader,
  addresses: readonly { readonly account: number; readonly addressHash: string }[],
  limit: number,
  known: ReadonlyMap<string, DeliveryRow> = new Map(),
): Promise<readonly DeliveryRow[]> {
  const keys: KeyTuples = { types: ['int', 'bytes'], rows: addresses.map(({ account, addressHash }) => [account, hexToBytes(addressHash)]) }
  // Names first, out of the index: most are known already, and a row has fifty columns.
  const newest = `select p.account_id, p.delivery_id from (
      select x.account_id, x.delivery_id, row_number() over (partition by x.account_id, x.address_hash order by x.requested_at desc, x.delivery_id desc) as place
      from {keys} k cross join deliveries x where x.account_id = k.k1 and x.address_hash = k.k2
    ) p where p.place <= $1`
  const newestIds = (await reader.inKeys(newest, keys, [limit])).map((row) => ({
    account: Number(row['account_id']),
    deliveryId: String(row['delivery_id']),
  }))
  const others = newestIds.filter(({ deliveryId }) => !known.has(deliveryId)).map(({ account, deliveryId }) => [account, deliveryId])
  const whole = `select ${COLUMNS} from {keys} k cross join deliveries d where d.account_id = k.k1 and d.delivery_id = k.k2`
  const read = (await reader.inKeys(whole, { types: ['int', 'text'], rows: others })).map(DELIVERIES.decode)
  return [...newestIds.flatMap(({ deliveryId }) => known.get(deliveryId) ?? []), ...read]
}

/** Named mails are few, and sorted when they are found. Without the sign SQLite would walk through all of the time for the sake of its order. */
const timeColumnFor = ({ emailIds, messageId }: DeliveryFilters): string =>
  emailIds === undefined && messageId === undefined ? 'd.requested_at' : '+d.requested_at'

/** What lets a delivery through, as conditions on `d`. */
export function createDeliveryFilter(account: number, filters: DeliveryFilters): SqlFilter {
  const where = createSqlFilter('d.account_id = ?', account)
    .andIfGiven(`${timeColumnFor(filters)} >= ?`, filters.from)
    .andIfGiven(`${timeColumnFor(filters)} < ?`, filters.to)
    .andIfGiven('d.address_hash = ?', filters.addressHash === undefined ? undefined : hexToBytes(filters.addressHash))
    .andIfGiven('d.status = ?', filters.status)
    .andInIfGiven('d.sub_status', filters.subStatuses)
    .andInIfGiven('d.api_user', filters.apiUsers)
    // 0 is no label, as in counters.
    .andInIfGiven('coalesce(d.label_id, 0)', filters.labelIds)
    .andIfGiven('d.domain = ?', filters.domain)
    .andIfGiven('d.request_ip = ?', filters.requestIp)
    .andIfGiven('d.egress_ip = ?', filters.egressIp)
    .andIfGiven('d.email_type = ?', filters.emailType)
    .andIfGiven('d.broadcast = ?', filters.broadcast)
    .andIfGiven('d.fault = ?', filters.fault)
    .andIfGiven('d.reason = ?', filters.reason)
    .andIfGiven('d.result = ?', filters.result)
  // The words of the partial indexes, so that both planners see that they may use them.
  if (filters.requestIp !== undefined) where.and('d.request_ip is not null')
  if (filters.egressIp !== undefined) where.and('d.egress_ip is not null')
  if (filters.status === 4 || filters.status === 5) where.and('d.status in (4, 5)')
  if (filters.emailIds !== undefined) where.and('d.email_id is not null').andInIfGiven('d.email_id', filters.emailIds)
  if (filters.messageId !== undefined) addMessageIdCondition(where, filters.messageId)
  if (filters.labelIds === undefined && filters.labelName !== undefined) {
    const pattern = `%${filters.labelName.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`
    where.andIfGiven(
      `d.label_id in (select l.label_id from labels l where l.account_id = d.account_id and l.folded like ? escape '\\')`,
      pattern,
    )
  }
  return where
}

/** An emailId is its messageId and a digit: the range of ids that begin so, in the index of emailIds. */
function addMessageIdCondition(where: SqlFilter, messageId: string): void {
  where
    .andIfGiven('d.email_id is not null and d.email_id >= ?', `${messageId}0`)
    .andIfGiven('d.email_id < ?', `${messageId}:`)
    .andIfGiven('d.message_id = ?', messageId)
}

/**
 * deliveries - looks up, filters and counts deliveries
 *
 * Lists are newest first and paged by key, so that every page costs the same. `start` is for APIs that page by number.
 *
 * See also: ledger/project/state (DeliveryRow), store/facts/facts (the facts of a delivery), store/facts/ledger-state (which writes).
 */
import { monthOfDelivery } from '../../correlate/delivery-id.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { KeyTuples, DatabaseReader } from '../engine/engine.ts'
import { DELIVERIES } from './delivery-columns.ts'
import { hexToBytes } from '../engine/mapping.ts'
import { createSqlFilter } from '../engine/filter.ts'
import type { SqlFilter } from '../engine/filter.ts'

export type DeliveryFilters = {
  /** Requested at or after `from` and before `to`; epoch milliseconds. */
  readonly from?: number
  readonly to?: number
  readonly addressHash?: string
  readonly emailIds?: readonly string[]
  readonly messageId?: string
  readonly labelIds?: readonly number[]
  /** A part of a label's name, ignoring case. Only without `labelIds`. */
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

/** The last row of a page. The next page begins after it. */
export type DeliveryCursor = { readonly requestedAt: number; readonly deliveryId: string }

type DeliveryPage = {
  readonly start?: number
  readonly limit: number
  readonly after?: DeliveryCursor
  /** Counts all matches on this reader: a count of millions takes long. Absent: they are not counted. */
  readonly countOn?: DatabaseReader
}

const COLUMNS = DELIVERIES.columns('d')

/** Finds deliveries of one account by their ids, in no order. Ids that do not exist are left out. */
export async function findDeliveriesByIds(
  reader: DatabaseReader,
  account: number,
  ids: readonly string[],
): Promise<readonly DeliveryRow[]> {
  const sql = `select ${COLUMNS} from {keys} k cross join deliveries d
    where d.account_id = k.k1 and d.delivery_id = k.k2 and d.delivery_month = k.k3`
  const rows = [...new Set(ids)].map((id) => [account, id, monthOfDelivery(id)])
  return (await reader.inKeys(sql, { types: ['int', 'text', 'int'], rows })).map(DELIVERIES.decode)
}

/** Finds deliveries by their whole emailIds. Unknown emailIds are left out. */
export async function findDeliveriesByEmailIds(
  reader: DatabaseReader,
  account: number,
  emailIds: readonly string[],
): Promise<readonly DeliveryRow[]> {
  const sql = `select ${COLUMNS} from {keys} k cross join deliveries d where d.account_id = $1 and d.email_id is not null and d.email_id = k.k1`
  return (await reader.inKeys(sql, { types: ['text'], rows: emailIds.map((emailId) => [emailId]) }, [account])).map(DELIVERIES.decode)
}

/** Finds the deliveryId of a copy by its handle (correlate/api-handle), which is the emailId up to `$`. Null: there is none. */
export async function findDeliveryIdByCopyHandle(reader: DatabaseReader, account: number, handle: string): Promise<string | null> {
  const sql = `select d.delivery_id from deliveries d
    where d.account_id = $1 and d.email_id is not null and d.email_id >= $2 and d.email_id < $3 limit 1`
  const row = await reader.one(sql, [account, `${handle}$`, `${handle}%`])
  return row === null ? null : String(row['delivery_id'])
}

/**
 * Whether an index finds a page of these deliveries: those of a few addresses or ids, or by time and at most one more filter. Otherwise a page may read every
 * delivery of its time, which takes a minute for ten million.
 */
export function isFoundByIndex(filters: DeliveryFilters): boolean {
  const { status, addressHash, emailIds, messageId } = filters
  if ([addressHash, emailIds, messageId].some((filter) => filter !== undefined)) return true
  const names = Object.entries(filters).flatMap(([name, value]) => (value === undefined || TIME_FILTERS.has(name) ? [] : [name]))
  const isInIndexOfBounces = status === undefined || status === 4 || status === 5
  return isInIndexOfBounces && names.length <= 1 && names.every((name) => INDEXED_FILTERS.has(name))
}

const TIME_FILTERS: ReadonlySet<string> = new Set<keyof DeliveryFilters>(['from', 'to'])
const INDEXED_FILTERS: ReadonlySet<string> = new Set<keyof DeliveryFilters>(['status', 'requestIp', 'egressIp'])

/** Lists one page, newest first. `total` counts all matching deliveries (null if they were not counted). */
export async function listDeliveries(
  reader: DatabaseReader,
  account: number,
  filters: DeliveryFilters,
  page: DeliveryPage,
): Promise<{ readonly rows: readonly DeliveryRow[]; readonly total: number | null }> {
  const where = createDeliveryFilter(account, filters)
  const counted = page.countOn?.one(`select count(*) as n from deliveries d where ${where.sql()}`, [...where.parameters()]) ?? null
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
 * Lists deliveries without an outcome that were requested in [from, to), oldest first, to be given up. Messages in our own queue are left
 * out: the queue ends them.
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

/** Lists the newest `limit` deliveries to each address. Rows in `known` (by deliveryId) are taken from there. */
export async function listRecentDeliveriesByAddress(
  reader: DatabaseReader,
  addresses: readonly { readonly account: number; readonly addressHash: string }[],
  limit: number,
  known: ReadonlyMap<string, DeliveryRow> = new Map(),
): Promise<readonly DeliveryRow[]> {
  const keys: KeyTuples = { types: ['int', 'bytes'], rows: addresses.map(({ account, addressHash }) => [account, hexToBytes(addressHash)]) }
  // First the ids, from the index: most rows are known already, and a row has fifty columns.
  const newest = `select p.account_id, p.delivery_id from (
      select x.account_id, x.delivery_id, row_number() over (partition by x.account_id, x.address_hash order by x.requested_at desc, x.delivery_id desc) as place
      from {keys} k cross join deliveries x where x.account_id = k.k1 and x.address_hash = k.k2
    ) p where p.place <= $1`
  const newestIds = (await reader.inKeys(newest, keys, [limit])).map((row) => ({
    account: Number(row['account_id']),
    deliveryId: String(row['delivery_id']),
  }))
  const others = newestIds
    .filter(({ deliveryId }) => !known.has(deliveryId))
    .map(({ account, deliveryId }) => [account, deliveryId, monthOfDelivery(deliveryId)])
  const whole = `select ${COLUMNS} from {keys} k cross join deliveries d
    where d.account_id = k.k1 and d.delivery_id = k.k2 and d.delivery_month = k.k3`
  const read = (await reader.inKeys(whole, { types: ['int', 'text', 'int'], rows: others })).map(DELIVERIES.decode)
  return [...newestIds.flatMap(({ deliveryId }) => known.get(deliveryId) ?? []), ...read]
}

/**
 * Deliveries that are named by id are few and are sorted after the lookup. Without the plus sign, SQLite would scan the whole time range
 * for its order.
 */
const timeColumnFor = ({ emailIds, messageId }: DeliveryFilters): string =>
  emailIds === undefined && messageId === undefined ? 'd.requested_at' : '+d.requested_at'

/** The conditions of these filters on the table alias `d`. */
export function createDeliveryFilter(account: number, filters: DeliveryFilters): SqlFilter {
  const where = createSqlFilter('d.account_id = ?', account)
    .andIfGiven(`${timeColumnFor(filters)} >= ?`, filters.from)
    .andIfGiven(`${timeColumnFor(filters)} < ?`, filters.to)
    .andIfGiven('d.address_hash = ?', filters.addressHash === undefined ? undefined : hexToBytes(filters.addressHash))
    .andIfGiven('d.status = ?', filters.status)
    .andInIfGiven('d.sub_status', filters.subStatuses)
    .andInIfGiven('d.api_user', filters.apiUsers)
    // 0 means no label, as in counters.
    .andInIfGiven('coalesce(d.label_id, 0)', filters.labelIds)
    .andIfGiven('d.domain = ?', filters.domain)
    .andIfGiven('d.request_ip = ?', filters.requestIp)
    .andIfGiven('d.egress_ip = ?', filters.egressIp)
    .andIfGiven('d.email_type = ?', filters.emailType)
    .andIfGiven('d.broadcast = ?', filters.broadcast)
    .andIfGiven('d.fault = ?', filters.fault)
    .andIfGiven('d.reason = ?', filters.reason)
    .andIfGiven('d.result = ?', filters.result)
  // The conditions of the partial indexes, so that both planners see that they apply.
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

/** An emailId begins with its messageId and a digit, so the matching emailIds are a range of their index. */
function addMessageIdCondition(where: SqlFilter, messageId: string): void {
  where
    .andIfGiven('d.email_id is not null and d.email_id >= ?', `${messageId}0`)
    .andIfGiven('d.email_id < ?', `${messageId}:`)
    .andIfGiven('d.message_id = ?', messageId)
}

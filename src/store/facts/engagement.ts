/**
 * engagement - the opens and clicks of an account with their deliveries
 *
 * By time through the index of opens and clicks. By address through the deliveries to it, which are few. Lists are newest first; a scan is
 * oldest first, in bounded steps (store/facts/scan).
 *
 * See also: ledger/facts/fact, store/facts/facts.
 */
import type { FactOf } from '../../ledger/facts/fact.ts'
import type { DatabaseReader } from '../engine/engine.ts'
import { decodeFact } from './facts.ts'
import { FACTS } from '../schema.ts'
import { hexToBytes, uuidToBytes } from '../engine/mapping.ts'
import type { SqlRow } from '../engine/value.ts'
import { createSqlFilter } from '../engine/filter.ts'
import { createDeliveryFilter, type DeliveryFilters } from '../mail/deliveries.ts'
import type { ScanRange } from './scan.ts'

export type EngagementFilters = {
  readonly kind?: 'open' | 'click'
  /** Happened at or after `from` and before `to`; epoch milliseconds. */
  readonly from?: number
  readonly to?: number
  readonly addressHash?: string
  readonly apiUsers?: readonly string[]
  readonly labelIds?: readonly number[]
}

/** The key of an open or a click in the order of time. */
export type EngagementCursor = { readonly at: number; readonly id: string }

export type EngagementRecord = {
  readonly fact: FactOf<'open'> | FactOf<'click'>
  readonly emailId: string | null
  readonly messageId: string | null
  readonly recipient: string | null
  readonly apiUser: string
  readonly label: string | null
  readonly broadcast: string | null
  readonly requestedAt: number
}

const COLUMNS = `${FACTS.columns('e')}, d.email_id as mail_email_id, d.message_id as mail_message_id, d.recipient as mail_recipient,
  d.api_user as mail_api_user, d.label as mail_label, d.broadcast as mail_broadcast, d.requested_at as mail_requested_at`

/** Both engines start from the first table. */
const FROM_FACTS = 'events e cross join deliveries d'
const FROM_DELIVERIES = 'deliveries d cross join events e'

/** Returns one page, after a row or from an offset. `total` is the number of all matching rows, counted on `countOn`; null if that is null. */
export async function findEngagementRecords(
  reader: DatabaseReader,
  account: number,
  filters: EngagementFilters,
  page: {
    readonly start: number
    readonly limit: number
    readonly after: EngagementCursor | null
    readonly countOn: DatabaseReader | null
  },
): Promise<{ readonly rows: readonly EngagementRecord[]; readonly total: number | null }> {
  const { addressHash } = filters
  const where = createSqlFilter('e.account_id = ?', account)
    // The condition of the partial index, so that both planners see that it applies.
    .and("e.kind in ('open', 'click')")
    .andIfGiven('e.kind = ?', filters.kind)
    .andIfGiven('e.at >= ?', filters.from)
    .andIfGiven('e.at < ?', filters.to)
    .and('d.account_id = e.account_id and d.delivery_id = e.subject and d.delivery_month = e.delivery_month')
    .andIfGiven('d.address_hash = ?', addressHash === undefined ? undefined : hexToBytes(addressHash))
    .andInIfGiven('d.api_user', filters.apiUsers)
    // 0 means no label, as in counters.
    .andInIfGiven('coalesce(d.label_id, 0)', filters.labelIds)
  const from = addressHash === undefined ? FROM_FACTS : FROM_DELIVERIES
  const counted = page.countOn?.one(`select count(*) as n from ${from} where ${where.sql()}`, [...where.parameters()]) ?? null
  const { after } = page
  if (after !== null) where.and(`(e.at, e.id) < (${where.addParameter(after.at)}, ${where.addParameter(uuidToBytes(after.id))})`)
  const limits = `limit ${where.addParameter(page.limit)} offset ${where.addParameter(page.start)}`
  const sql = `select ${COLUMNS} from ${from} where ${where.sql()} order by e.at desc, e.id desc ${limits}`
  const [rows, total] = await Promise.all([reader.all(sql, where.parameters()), counted])
  return { rows: rows.flatMap(decodeEngagement), total: total === null ? null : Number(total['n']) }
}

/** Lower than every id. */
const NO_ID = '00000000-0000-0000-0000-000000000000'

/** Scans the opens and clicks of one account by their time, with filters on their deliveries. */
export async function scanEngagement(
  reader: DatabaseReader,
  account: number,
  { kind, ...filters }: Omit<DeliveryFilters, 'from' | 'to'> & Pick<EngagementFilters, 'kind'>,
  range: ScanRange<EngagementCursor>,
): Promise<{ readonly rows: readonly EngagementRecord[]; readonly next: EngagementCursor | null }> {
  const { at, id } = range.after ?? { at: range.from, id: NO_ID }
  const edgeSql = `select ${FACTS.columns('e')} from events e where e.account_id = $1 and e.kind in ('open', 'click') and (e.at, e.id) > ($2, $3)
    and e.at < $4 order by e.at, e.id limit 1 offset $5`
  const edge = await reader.one(edgeSql, [account, at, uuidToBytes(id), range.to, range.maxRows - 1])
  const last = edge === null ? null : decodeFact(edge)
  const where = createDeliveryFilter(account, filters)
    .andIfGiven('e.account_id = ?', account)
    .and("e.kind in ('open', 'click')")
    .andIfGiven('e.kind = ?', kind)
    .andIfGiven('e.at >= ?', at)
    // The end of this step, not of the range: SQLite uses one bound for the index and would read on to that one.
    .andIfGiven('e.at < ?', last === null ? range.to : last.at + 1)
    .and('d.account_id = e.account_id and d.delivery_id = e.subject and d.delivery_month = e.delivery_month')
  where.and(`(e.at, e.id) > (${where.addParameter(at)}, ${where.addParameter(uuidToBytes(id))})`)
  if (last !== null) where.and(`(e.at, e.id) <= (${where.addParameter(last.at)}, ${where.addParameter(uuidToBytes(last.id))})`)
  const rows = await reader.all(`select ${COLUMNS} from ${FROM_FACTS} where ${where.sql()} order by e.at, e.id`, where.parameters())
  return { rows: rows.flatMap(decodeEngagement), next: last === null ? null : { at: last.at, id: last.id } }
}

/** Finds the next opens and clicks that happened before a moment, in the order of time, after a cursor. */
export async function scanOldEngagement(
  reader: DatabaseReader,
  account: number,
  { before, after, limit }: { readonly before: number; readonly after: EngagementCursor | null; readonly limit: number },
): Promise<readonly (FactOf<'open'> | FactOf<'click'>)[]> {
  const sql = `select ${FACTS.columns('e')} from events e where e.account_id = $1 and e.kind in ('open', 'click') and e.at < $2
    and (e.at, e.id) > ($3, $4) order by e.at, e.id limit $5`
  const { at, id } = after ?? { at: 0, id: NO_ID }
  const rows = await reader.all(sql, [account, before, at, uuidToBytes(id), limit])
  return rows.map(decodeFact).flatMap((fact) => (fact.kind === 'open' || fact.kind === 'click' ? [fact] : []))
}

function decodeEngagement(row: SqlRow): readonly EngagementRecord[] {
  const fact = decodeFact(row)
  if (fact.kind !== 'open' && fact.kind !== 'click') return []
  const text = (value: unknown): string | null => (typeof value === 'string' ? value : null)
  return [
    {
      fact,
      emailId: text(row['mail_email_id']),
      messageId: text(row['mail_message_id']),
      recipient: text(row['mail_recipient']),
      apiUser: text(row['mail_api_user']) ?? '',
      label: text(row['mail_label']),
      broadcast: text(row['mail_broadcast']),
      requestedAt: Number(row['mail_requested_at']),
    },
  ]
}

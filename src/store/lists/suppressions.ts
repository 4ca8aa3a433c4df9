/**
 * suppressions - the addresses that an account must not send to: checked and listed
 *
 * An entry is found by the hash of an address, or of a domain for entries that cover a whole domain. An entry is in force if it is
 * neither removed nor pending and has not expired. It is never deleted here, because its ladder continues from it.
 *
 * See also: ledger/project/state (SuppressionRow), store/facts/ledger-state (which writes).
 */
import type { Proof } from '../../ledger/facts/decision.ts'
import type { ListName } from '../../ledger/facts/list-facts.ts'
import type { SuppressionRow } from '../../ledger/project/state.ts'
import type { KeyTuples, DatabaseReader } from '../engine/engine.ts'
import { SUPPRESSIONS } from '../schema.ts'
import { hexToBytes } from '../engine/mapping.ts'
import { createSqlFilter } from '../engine/filter.ts'
import type { SqlFilter } from '../engine/filter.ts'

export type SuppressionFilters = {
  readonly list: ListName
  /** Entered at or after `from` and before `to`. */
  readonly from?: number
  readonly to?: number
  readonly addressHash?: string
  readonly domain?: string
  readonly scope?: string
  readonly isDomain?: boolean
  readonly apiUsers?: readonly string[]
  readonly labelIds?: readonly number[]
  readonly pending?: boolean
  readonly site?: string
  readonly rule?: string
  /** What proved the report behind the entry. */
  readonly proof?: Proof
  /** Only entries that are in force at that moment. */
  readonly inForceAt?: number
}

export type SuppressionCursor = { readonly from: number; readonly addressHash: string; readonly scope: string }

type SuppressionPage = {
  readonly start?: number
  readonly limit: number
  readonly after?: SuppressionCursor
  readonly total?: boolean
}

const COLUMNS = SUPPRESSIONS.columns('s')

/** Whether an entry is in force at a moment. Pure. */
export function isSuppressionInForce(row: SuppressionRow, at: number): boolean {
  return row.removedAt === null && !row.pending && (row.until === null || row.until > at)
}

/** Finds every entry of these addresses and domains, on all lists, in force or not. */
export async function findSuppressions(
  reader: DatabaseReader,
  addresses: readonly { readonly account: number; readonly addressHash: string }[],
  lock = false,
): Promise<readonly SuppressionRow[]> {
  const keys: KeyTuples = { types: ['int', 'bytes'], rows: addresses.map(({ account, addressHash }) => [account, hexToBytes(addressHash)]) }
  const order = lock ? ' order by s.account_id, s.address_hash, s.list, s.scope {lock s}' : ''
  const sql = `select ${COLUMNS} from {keys} k cross join suppressions s where s.account_id = k.k1 and s.address_hash = k.k2${order}`
  return (await reader.inKeys(sql, keys)).map(SUPPRESSIONS.decode)
}

/**
 * Finds the entries in force for many hashes with one query. Hashes without an entry are left out. `shared` includes the list that the
 * operator shares between accounts (account 0).
 */
export async function findSuppressionsInForce(
  reader: DatabaseReader,
  account: number,
  query: { readonly hashes: readonly string[]; readonly at: number; readonly shared?: boolean },
): Promise<ReadonlyMap<string, readonly SuppressionRow[]>> {
  const accounts = query.shared === true && account !== 0 ? [account, 0] : [account]
  const addresses = accounts.flatMap((owner) => query.hashes.map((addressHash) => ({ account: owner, addressHash })))
  const rows = (await findSuppressions(reader, addresses)).filter((row) => isSuppressionInForce(row, query.at))
  return Map.groupBy(rows, ({ addressHash }) => addressHash)
}

/** Whether an index finds a page of these entries: those of an address, or all that began in a time. Otherwise a page may read a whole list. */
export const isListedByIndex = (filters: SuppressionFilters): boolean =>
  filters.addressHash !== undefined || Object.entries(filters).every(([name, value]) => value === undefined || LISTED_BY.has(name))

const LISTED_BY: ReadonlySet<string> = new Set<keyof SuppressionFilters>(['list', 'from', 'to', 'inForceAt'])

/** Lists one page of one list, newest first. `total` counts all matching entries (null if it was not requested). */
export async function listSuppressions(
  reader: DatabaseReader,
  account: number,
  filters: SuppressionFilters,
  page: SuppressionPage,
): Promise<{ readonly rows: readonly SuppressionRow[]; readonly total: number | null }> {
  const where = createSuppressionFilter(account, filters)
  const counted =
    page.total === true ? reader.one(`select count(*) as n from suppressions s where ${where.sql()}`, [...where.parameters()]) : null
  const { after } = page
  if (after !== undefined) {
    const key = [after.from, hexToBytes(after.addressHash), after.scope].map(where.addParameter).join(', ')
    where.and(`(s.from_at, s.address_hash, s.scope) < (${key})`)
  }
  const limits = `limit ${where.addParameter(page.limit)} offset ${where.addParameter(page.start ?? 0)}`
  const order = 'order by s.from_at desc, s.address_hash desc, s.scope desc'
  const [rows, total] = await Promise.all([
    reader.all(`select ${COLUMNS} from suppressions s where ${where.sql()} ${order} ${limits}`, where.parameters()),
    counted,
  ])
  return { rows: rows.map(SUPPRESSIONS.decode), total: total === null ? null : Number(total['n']) }
}

/** The conditions of these filters on the table alias `s`. */
export function createSuppressionFilter(account: number, filters: SuppressionFilters): SqlFilter {
  return (
    createSqlFilter('s.account_id = ?', account)
      .andIfGiven('s.list = ?', filters.list)
      .andIfGiven('s.from_at >= ?', filters.from)
      .andIfGiven('s.from_at < ?', filters.to)
      .andIfGiven('s.address_hash = ?', filters.addressHash === undefined ? undefined : hexToBytes(filters.addressHash))
      .andIfGiven('s.domain = ?', filters.domain)
      .andIfGiven('s.scope = ?', filters.scope)
      .andIfGiven('s.is_domain = ?', toIntegerFlag(filters.isDomain))
      .andInIfGiven('s.api_user', filters.apiUsers)
      // 0 means no label, as in counters.
      .andInIfGiven('coalesce(s.label_id, 0)', filters.labelIds)
      .andIfGiven('s.pending = ?', toIntegerFlag(filters.pending))
      .andIfGiven('s.site = ?', filters.site)
      .andIfGiven('s.rule = ?', filters.rule)
      .andIfGiven('s.proof = ?', filters.proof)
      .andIfGiven('s.removed_at is null and s.pending = 0 and (s.until_at is null or s.until_at > ?)', filters.inForceAt)
  )
}

function toIntegerFlag(value: boolean | undefined): number | undefined {
  return value === undefined ? undefined : value ? 1 : 0
}

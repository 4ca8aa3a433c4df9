/**
 * counters - the counters of an account by quarter-hour of the request
 *
 * A counter is a sum of deltas in slots (store/engine/counter-slots). Reads sum the slots. The store does not know days: the caller passes the time windows
 * of the account's time zone.
 *
 * See also: ledger/project/state (CounterRow), store/facts/ledger-state (which adds).
 */
import type { CounterMetric } from '../../ledger/project/state.ts'
import type { DatabaseReader } from '../engine/engine.ts'
import { createSqlFilter } from '../engine/filter.ts'

export type CounterQuery = {
  /** Epoch milliseconds, on quarter-hours: [from, to). */
  readonly windows: readonly { readonly from: number; readonly to: number }[]
  /** The dimensions to group by. Everything else is summed. */
  readonly groupBy?: readonly ('apiUser' | 'labelId' | 'domain')[]
  readonly apiUsers?: readonly string[]
  readonly labelIds?: readonly number[]
  readonly domains?: readonly string[]
  readonly metrics?: readonly CounterMetric[]
}

/** `apiUser`, `labelId` and `domain` are null unless the query groups by them. */
export type CounterSum = {
  readonly from: number
  readonly apiUser: string | null
  readonly labelId: number | null
  readonly domain: string | null
  readonly metric: string
  readonly n: number
}

const GROUP_COLUMNS = { apiUser: 'api_user', labelId: 'label_id', domain: 'domain' } as const

/** Sums the counters of one account by window, metric and the dimensions in `groupBy`. Sums without rows are left out. */
export async function sumCounters(reader: DatabaseReader, account: number, query: CounterQuery): Promise<readonly CounterSum[]> {
  // The bounds of all windows, from which a planner sees the partitions to read.
  const where = createSqlFilter('c.account_id = ?', account)
    .andIfGiven('c.quarter >= ?', lowestOf(query.windows.map(({ from }) => from)))
    .andIfGiven('c.quarter < ?', highestOf(query.windows.map(({ to }) => to)))
    .andInIfGiven('c.api_user', query.apiUsers)
    .andInIfGiven('c.label_id', query.labelIds)
    .andInIfGiven('c.domain', query.domains)
    .andInIfGiven('c.metric', query.metrics)
  const columns = (query.groupBy ?? []).map((name) => `c.${GROUP_COLUMNS[name]}`)
  const groupColumns = ['k.k1', 'c.metric', ...columns].join(', ')
  const sql = `select k.k1 as from_at, ${['c.metric', ...columns].join(', ')}, sum(c.n) as n from {keys} k cross join counters c
    where ${where.sql()} and c.quarter >= k.k1 and c.quarter < k.k2 group by ${groupColumns} order by ${groupColumns}`
  const keys = { types: ['int', 'int'], rows: query.windows.map(({ from, to }) => [from, to]) } as const
  const rows = await reader.inKeys(sql, keys, where.parameters())
  return rows.map((row) => ({
    from: Number(row['from_at']),
    apiUser: row['api_user'] === undefined ? null : String(row['api_user']),
    labelId: row['label_id'] === undefined ? null : Number(row['label_id']),
    domain: row['domain'] === undefined ? null : String(row['domain']),
    metric: String(row['metric']),
    n: Number(row['n']),
  }))
}

const lowestOf = (times: readonly number[]): number => times.reduce((lowest, time) => Math.min(lowest, time), Number.MAX_SAFE_INTEGER)
const highestOf = (times: readonly number[]): number => times.reduce((highest, time) => Math.max(highest, time), 0)

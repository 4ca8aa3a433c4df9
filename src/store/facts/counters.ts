/**
 * counters - how many, by the quarter-hour in which the mail was requested
 *
 * A counter is a sum of deltas in up to 16 slots; reading sums the slots. Days are cut here and not in the store: the caller names the
 * windows, as its account's time zone has them.
 *
 * See also: ledger/project/state (CounterRow), store/facts/ledger-state (which adds).
 */
import type { Metric } from '../../ledger/project/state.ts'
import type { Reader } from '../engine/engine.ts'
import { createWhere } from '../engine/filter.ts'

export type CounterQuestion = {
  /** Epoch milliseconds, on quarter-hours: [from, to). */
  readonly windows: readonly { readonly from: number; readonly to: number }[]
  /** What is kept apart; everything else is summed. */
  readonly by?: readonly ('apiUser' | 'labelId' | 'domain')[]
  readonly apiUsers?: readonly string[]
  readonly labelIds?: readonly number[]
  readonly domains?: readonly string[]
  readonly metrics?: readonly Metric[]
}

/** `apiUser`, `labelId` and `domain` are null unless kept apart. */
export type CounterSum = {
  readonly from: number
  readonly apiUser: string | null
  readonly labelId: number | null
  readonly domain: string | null
  readonly metric: string
  readonly n: number
}

const COLUMN = { apiUser: 'api_user', labelId: 'label_id', domain: 'domain' } as const

/** Sums of one account's counters by window, metric and what `by` names; sums of nothing are not in the answer. */
export async function sumCounters(reader: Reader, account: number, question: CounterQuestion): Promise<readonly CounterSum[]> {
  const where = createWhere('c.account_id = ?', account)
    .whenIn('c.api_user', question.apiUsers)
    .whenIn('c.label_id', question.labelIds)
    .whenIn('c.domain', question.domains)
    .whenIn('c.metric', question.metrics)
  const columns = (question.by ?? []).map((name) => `c.${COLUMN[name]}`)
  const apart = ['k.k1', 'c.metric', ...columns].join(', ')
  const sql = `select k.k1 as from_at, ${['c.metric', ...columns].join(', ')}, sum(c.n) as n from {keys} k cross join counters c
    where ${where.sql()} and c.quarter >= k.k1 and c.quarter < k.k2 group by ${apart} order by ${apart}`
  const keys = { types: ['int', 'int'], rows: question.windows.map(({ from, to }) => [from, to]) } as const
  const rows = await reader.inKeys(sql, keys, where.params())
  return rows.map((row) => ({
    from: Number(row['from_at']),
    apiUser: row['api_user'] === undefined ? null : String(row['api_user']),
    labelId: row['label_id'] === undefined ? null : Number(row['label_id']),
    domain: row['domain'] === undefined ? null : String(row['domain']),
    metric: String(row['metric']),
    n: Number(row['n']),
  }))
}

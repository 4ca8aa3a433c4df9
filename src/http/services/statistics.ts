/**
 * statistics - reads counters, opens and clicks, and the labels to show them by
 *
 * See also: http/sendcloud/statistics, http/sendcloud/engagement, store/facts/counters, store/facts/engagement.
 */
import { findLabelIdsLike, findLabelNames } from '../../store/account/labels.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { sumCounters, type CounterQuery, type CounterSum } from '../../store/facts/counters.ts'
import {
  findEngagementRecords,
  type EngagementCursor,
  type EngagementFilters,
  type EngagementRecord,
} from '../../store/facts/engagement.ts'
import { omitNullish } from '../server/omit-nullish.ts'
import { toAddressHashFilter } from './address-filter.ts'
import { MAX_SHORT_OFFSET, type WideReader } from './wide-reader.ts'

/** Which opens and clicks to read. Null means no filter. `from` (inclusive) and `until` (exclusive) limit their time. */
type EngagementQuery = {
  readonly kind: 'open' | 'click' | null
  readonly email: string | null
  readonly from: number | null
  readonly until: number | null
  readonly apiUsers: readonly string[] | null
  readonly labelIds: readonly number[] | null
  /** The last row of the previous page; null: from `offset` on. */
  readonly after: EngagementCursor | null
  readonly offset: number
  readonly limit: number
  readonly withTotal: boolean
}

export type StatisticsService = {
  readonly sumCounters: (account: number, query: CounterQuery) => Promise<readonly CounterSum[]>
  readonly findEngagement: (
    account: number,
    query: EngagementQuery,
  ) => Promise<{ readonly rows: readonly EngagementRecord[]; readonly total: number | null }>
  /** Label names by number. Includes labels that were removed. */
  readonly findLabelNames: (account: number, labelIds: readonly number[]) => Promise<ReadonlyMap<number, string>>
  /** Labels whose name contains one of these parts, ignoring case. */
  readonly findLabelIds: (account: number, parts: readonly string[]) => Promise<readonly number[]>
}

/**
 * Creates the service on a reader. Opens and clicks are counted, and listed by what no index finds, on `wideRead`, so that other queries do not wait
 * for it.
 */
export function createStatisticsService(reader: DatabaseReader, wideRead: WideReader = () => reader): StatisticsService {
  return {
    sumCounters: (account, query) => sumCounters(reader, account, query),
    findEngagement: (account, { kind, email, from, until, apiUsers, labelIds, offset: start, withTotal, ...page }) => {
      const filters = omitNullish<EngagementFilters>({
        kind,
        from,
        to: until,
        addressHash: toAddressHashFilter(email),
        apiUsers,
        labelIds,
      })
      const isShort = filters.addressHash !== undefined || (apiUsers === null && labelIds === null && start <= MAX_SHORT_OFFSET)
      const countOn = withTotal ? wideRead(account) : null
      return findEngagementRecords(isShort ? reader : wideRead(account), account, filters, { start, countOn, ...page })
    },
    findLabelNames: (account, labelIds) => findLabelNames(reader, account, labelIds),
    findLabelIds: (account, parts) => findLabelIdsLike(reader, account, parts),
  }
}

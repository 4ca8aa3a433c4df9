/**
 * statistics - what is read for figures: counters, opens and clicks, the labels that they are told by
 *
 * See also: store/facts/counters, store/facts/engagement, http/sendcloud/statistics.
 */
import { hashAddress } from '../../correlate/address-hash.ts'
import { sumCounters } from '../../store/facts/counters.ts'
import type { CounterQuery, CounterSum } from '../../store/facts/counters.ts'
import { findEngagementRecords } from '../../store/facts/engagement.ts'
import type { EngagementRecord } from '../../store/facts/engagement.ts'
import type { DatabaseReader } from '../../store/engine/engine.ts'
import { findLabelIdsLike, findLabelNames } from '../../store/account/labels.ts'

/** `from`/`until` bound the time of the open or click; `until` is not counted. */
export type EngagementQuery = {
  readonly kind: 'open' | 'click' | null
  readonly email: string | null
  readonly from: number | null
  readonly until: number | null
  readonly apiUsers: readonly string[] | null
  readonly labelIds: readonly number[] | null
  readonly offset: number
  readonly limit: number
}

export type StatisticsService = {
  readonly sumCounters: (account: number, query: CounterQuery) => Promise<readonly CounterSum[]>
  readonly findEngagement: (
    account: number,
    query: EngagementQuery,
  ) => Promise<{ readonly rows: readonly EngagementRecord[]; readonly total: number }>
  /** By number; labels that were removed have their names too. */
  readonly findLabelNames: (account: number, labelIds: readonly number[]) => Promise<ReadonlyMap<number, string>>
  /** Labels whose name holds one of these parts, in any case. */
  readonly findLabelIds: (account: number, parts: readonly string[]) => Promise<readonly number[]>
}

/** An address that is none was never sent to. */
const UNKNOWN_ADDRESS_HASH = '00'.repeat(32)

export function createStatisticsService(reader: DatabaseReader): StatisticsService {
  return {
    sumCounters: (account, query) => sumCounters(reader, account, query),
    findEngagement: (account, { kind, email, from, until, apiUsers, labelIds, offset, limit }) => {
      const filters = {
        ...(kind === null ? {} : { kind }),
        ...(from === null ? {} : { from }),
        ...(until === null ? {} : { to: until }),
        ...(email === null ? {} : { addressHash: hashAddress(email) ?? UNKNOWN_ADDRESS_HASH }),
        ...(apiUsers === null ? {} : { apiUsers }),
        ...(labelIds === null ? {} : { labelIds }),
      }
      return findEngagementRecords(reader, account, filters, { start: offset, limit })
    },
    findLabelNames: (account, labelIds) => findLabelNames(reader, account, labelIds),
    findLabelIds: (account, parts) => findLabelIdsLike(reader, account, parts),
  }
}

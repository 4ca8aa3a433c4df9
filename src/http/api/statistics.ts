/**
 * statistics - what is read for figures: counters, opens and clicks, the labels that they are told by
 *
 * See also: store/facts/counters, store/facts/engagement, http/sendcloud/statistics.
 */
import { hashAddress } from '../../correlate/address-hash.ts'
import { sumCounters } from '../../store/facts/counters.ts'
import type { CounterQuestion, CounterSum } from '../../store/facts/counters.ts'
import { findEngagement } from '../../store/facts/engagement.ts'
import type { Engagement } from '../../store/facts/engagement.ts'
import type { Reader } from '../../store/engine/engine.ts'
import { labelsLike, namesOfLabels } from '../../store/account/labels.ts'

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

export type Statistics = {
  readonly counters: (account: number, question: CounterQuestion) => Promise<readonly CounterSum[]>
  readonly engagement: (
    account: number,
    query: EngagementQuery,
  ) => Promise<{ readonly rows: readonly Engagement[]; readonly total: number }>
  /** By number; labels that were removed have their names too. */
  readonly namesOfLabels: (account: number, labelIds: readonly number[]) => Promise<ReadonlyMap<number, string>>
  /** Labels whose name holds one of these parts, in any case. */
  readonly labelsLike: (account: number, parts: readonly string[]) => Promise<readonly number[]>
}

/** An address that is none was never sent to. */
const NOBODY = '00'.repeat(32)

export function createStatistics(reader: Reader): Statistics {
  return {
    counters: (account, question) => sumCounters(reader, account, question),
    engagement: (account, { kind, email, from, until, apiUsers, labelIds, offset, limit }) => {
      const filters = {
        ...(kind === null ? {} : { kind }),
        ...(from === null ? {} : { from }),
        ...(until === null ? {} : { to: until }),
        ...(email === null ? {} : { addressHash: hashAddress(email) ?? NOBODY }),
        ...(apiUsers === null ? {} : { apiUsers }),
        ...(labelIds === null ? {} : { labelIds }),
      }
      return findEngagement(reader, account, filters, { start: offset, limit })
    },
    namesOfLabels: (account, labelIds) => namesOfLabels(reader, account, labelIds),
    labelsLike: (account, parts) => labelsLike(reader, account, parts),
  }
}

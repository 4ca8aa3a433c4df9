/**
 * overview - what the operator sees first: counts over time for one or all accounts, and what waits where
 *
 * Windows are read a few at a time, because a day with thousands of domains has millions of counters and other readers wait for each query.
 *
 * See also: http/api/overview/statistics, http/api/overview/status, store/facts/counters.
 */
import type { Context } from '../../service/context.ts'
import { listAccountsForOperator } from '../../store/account/accounts.ts'
import { sumCounters } from '../../store/facts/counters.ts'
import { countOpenInboxItemsForOperator } from '../../store/mail/inbox.ts'
import { countReportsSinceForOperator } from '../../store/mail/reports.ts'
import { countQueuedMessagesForOperator } from '../../store/queue/queued-mail.ts'
import { countWaitingOutboxForOperator } from '../../store/webhook/outbox.ts'

/** Epoch milliseconds on quarter-hours: [from, to). */
export type CountWindow = { readonly from: number; readonly to: number }

/** Metric → number. A metric without counts is absent. */
type MetricSums = ReadonlyMap<string, number>

export type OverviewService = {
  /** The sums of each window, in their order. Account null: all accounts. */
  readonly sumWindows: (account: number | null, windows: readonly CountWindow[]) => Promise<readonly MetricSums[]>
  /** The sums of one window by recipient domain or by account. */
  readonly sumGroups: (account: number | null, window: CountWindow, by: 'domain' | 'account') => Promise<ReadonlyMap<string, MetricSums>>
  readonly readStatus: () => Promise<OverviewStatus>
}

type OverviewStatus = {
  readonly queued: number
  readonly outbox: number
  readonly inbox: number
  readonly reportsLastHour: number
  readonly disk: { readonly freeBytes: number | null; readonly floorBytes: number; readonly isLow: boolean }
}

const WINDOWS_PER_QUERY = 12
const HOUR_MS = 3_600_000

/** Creates the service. */
export function createOverviewService(context: Context): OverviewService {
  const { read, replica } = context.engine
  const accountsOf = async (account: number | null): Promise<readonly { readonly account: number; readonly name: string }[]> =>
    account === null ? listAccountsForOperator(read) : [{ account, name: '' }]
  return {
    sumWindows: async (account, windows) => {
      const sums = new Map(windows.map(({ from }) => [from, new Map<string, number>()]))
      for (const owner of await accountsOf(account))
        for (let at = 0; at < windows.length; at += WINDOWS_PER_QUERY)
          for (const { from, metric, n } of await sumCounters(replica.read, owner.account, {
            windows: windows.slice(at, at + WINDOWS_PER_QUERY),
          }))
            addTo(sums.get(from), metric, n)
      return windows.map(({ from }) => sums.get(from) ?? new Map())
    },
    sumGroups: async (account, window, by) => {
      const groups = new Map<string, Map<string, number>>()
      for (const owner of await accountsOf(account))
        for (const windows of splitWindow(window))
          for (const { domain, metric, n } of await sumCounters(replica.read, owner.account, {
            windows,
            ...(by === 'domain' ? { groupBy: ['domain'] as const } : {}),
          })) {
            const name = by === 'domain' ? (domain ?? '') : owner.name
            const group = groups.get(name) ?? new Map<string, number>()
            groups.set(name, group)
            addTo(group, metric, n)
          }
      return groups
    },
    readStatus: () => readStatus(context),
  }
}

async function readStatus({ engine: { read }, diskSpace, now }: Context): Promise<OverviewStatus> {
  const [queued, outbox, inbox, reportsLastHour] = await Promise.all([
    countQueuedMessagesForOperator(read),
    countWaitingOutboxForOperator(read),
    countOpenInboxItemsForOperator(read),
    countReportsSinceForOperator(read, now() - HOUR_MS),
  ])
  const disk = { freeBytes: diskSpace.freeBytes(), floorBytes: diskSpace.floorBytes, isLow: diskSpace.isLow() }
  return { queued, outbox, inbox, reportsLastHour, disk }
}

function addTo(sums: Map<string, number> | undefined, metric: string, n: number): void {
  sums?.set(metric, (sums.get(metric) ?? 0) + n)
}

/** Parts of some hours, each a query of its own. */
function splitWindow({ from, to }: CountWindow): readonly (readonly CountWindow[])[] {
  const step = Math.max(3 * HOUR_MS, Math.ceil((to - from) / 64 / 900_000) * 900_000)
  return Array.from({ length: Math.ceil((to - from) / step) }, (_, at) => [
    { from: from + at * step, to: Math.min(from + (at + 1) * step, to) },
  ])
}

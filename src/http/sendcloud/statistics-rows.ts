/**
 * statistics-rows - sums counters into the rows of SendCloud's statistics
 *
 * A row is the sum of one day or one hour for one API user, label and domain. Only counters are read, a few hours per query, so the cost of a day
 * depends on its quarter-hours, API users, labels and domains, and not on the number of messages.
 *
 * See also: store/facts/counters, http/sendcloud/statistics (the operations), http/sendcloud/zoned-time (days and hours of a zone).
 */
import type { CounterMetric } from '../../ledger/project/state.ts'
import type { CounterSum } from '../../store/facts/counters.ts'
import type { StatisticsService } from '../services/statistics.ts'
import type { SendCloudOperationContext } from './operation.ts'
import { splitIntoDays, splitIntoHours } from './zoned-time.ts'
import type { CalendarDay, DayRange } from './zoned-time.ts'

/** What rows are grouped by, in addition to time. */
export type StatisticsDimension = 'apiUser' | 'labelId' | 'domain'

export type StatisticsRowQuery = {
  readonly range: DayRange
  readonly metrics: readonly CounterMetric[]
  readonly dimensions: readonly StatisticsDimension[]
  readonly isHourly: boolean
  readonly apiUsers: readonly string[] | null
  readonly labelIds: readonly number[] | null
  readonly domains: readonly string[] | null
}

/** The part of an operation context that reading needs. */
type StatisticsRowContext = {
  readonly caller: SendCloudOperationContext['caller']
  readonly settings: SendCloudOperationContext['settings']
  readonly services: { readonly statistics: Pick<StatisticsService, 'sumCounters'> }
}

export type StatisticsRow = {
  readonly day: string
  /** Null in a row for a whole day. */
  readonly hour: number | null
  readonly apiUser: string
  readonly labelId: number
  readonly domain: string
  readonly counts: ReadonlyMap<string, number>
}

/** Limits the memory of a response. A client can request a shorter period or fewer domains. */
const MAX_ROWS = 100_000

/** Reads the rows, sorted by time and then by group; null if there are too many. Rows without counts are left out. */
export async function readStatisticsRows(
  context: StatisticsRowContext,
  query: StatisticsRowQuery,
): Promise<readonly StatisticsRow[] | null> {
  const statisticsRows: StatisticsRow[] = []
  for (const day of splitIntoDays(query.range, context.settings.zone)) {
    statisticsRows.push(...(await readDayRows(context, query, day)))
    if (statisticsRows.length > MAX_ROWS) return null
  }
  return statisticsRows
}

/** Part of a day; `hour` is null if the rows are per day. */
type TimeSlice = DayRange & { readonly hour: number | null }

/** Hours per query. A day with thousands of domains has millions of counters, and other readers wait for each query. */
const HOURS_PER_QUERY = 3
const HOUR_MS = 3_600_000

function splitDay(day: DayRange, query: StatisticsRowQuery, zone: string): readonly TimeSlice[] {
  if (query.isHourly) return splitIntoHours(day, zone)
  const slices: TimeSlice[] = []
  for (let from = day.from; from < day.until; from += HOURS_PER_QUERY * HOUR_MS)
    slices.push({ from, until: Math.min(from + HOURS_PER_QUERY * HOUR_MS, day.until), hour: null })
  return slices
}

async function readDayRows(context: StatisticsRowContext, query: StatisticsRowQuery, day: CalendarDay): Promise<readonly StatisticsRow[]> {
  const slices = splitDay(day, query, context.settings.zone)
  const step = query.isHourly ? HOURS_PER_QUERY : 1
  const rows = new Map<string, StatisticsRow & { readonly counts: Map<string, number> }>()
  for (let at = 0; at < slices.length; at += step) {
    const batch = slices.slice(at, at + step)
    const hours = new Map(batch.map(({ from, hour }) => [from, hour]))
    for (const sum of await sumSlices(context, query, batch)) {
      const hour = hours.get(sum.from) ?? null
      const key = `${hour} ${sum.labelId} ${sum.domain} ${sum.apiUser}`
      const row = rows.get(key) ?? createEmptyRow(day.day, hour, sum)
      row.counts.set(sum.metric, (row.counts.get(sum.metric) ?? 0) + sum.n)
      rows.set(key, row)
    }
  }
  return [...rows.values()].filter(({ counts }) => [...counts.values()].some((n) => n !== 0)).toSorted(compareRows)
}

function sumSlices(context: StatisticsRowContext, query: StatisticsRowQuery, slices: readonly TimeSlice[]): Promise<readonly CounterSum[]> {
  return context.services.statistics.sumCounters(context.caller.account, {
    windows: slices.map(({ from, until }) => ({ from, to: until })),
    groupBy: query.dimensions,
    metrics: query.metrics,
    ...(query.apiUsers === null ? {} : { apiUsers: query.apiUsers }),
    ...(query.labelIds === null ? {} : { labelIds: query.labelIds }),
    ...(query.domains === null ? {} : { domains: query.domains }),
  })
}

function createEmptyRow(
  day: string,
  hour: number | null,
  { apiUser, labelId, domain }: CounterSum,
): StatisticsRow & { readonly counts: Map<string, number> } {
  return { day, hour, apiUser: apiUser ?? '', labelId: labelId ?? 0, domain: domain ?? '', counts: new Map() }
}

function compareRows(a: StatisticsRow, b: StatisticsRow): number {
  const compareNames = (x: string, y: string): number => (x === y ? 0 : x < y ? -1 : 1)
  return (a.hour ?? 0) - (b.hour ?? 0) || compareNames(a.apiUser, b.apiUser) || a.labelId - b.labelId || compareNames(a.domain, b.domain)
}

/** Sums all rows into one. Pure. */
export function sumRows(statisticsRows: readonly StatisticsRow[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const statisticsRow of statisticsRows)
    for (const [metric, n] of statisticsRow.counts) counts.set(metric, (counts.get(metric) ?? 0) + n)
  return counts
}

/**
 * statistics - SendCloud's statistics: `statday` by day, `stathour` by hour, and `invalidstat` by the cause of invalid emails
 *
 * A message counts for the day and hour of its request, in the time zone of the account. Delivered, invalid and soft bounces are percentages of
 * the requests; opens, clicks, spam reports and unsubscribes are percentages of the deliveries; a percentage of zero is 0. With `aggregate=1`
 * all rows are summed into one object.
 *
 * See also: http/sendcloud/statistics-rows (reads the counters), ledger/project/counters (defines them), docs/SENDCLOUD.md.
 */
import type { CounterMetric } from '../../ledger/project/state.ts'
import type { StatisticsService } from '../services/statistics.ts'
import type { SendCloudOperationContext, SendCloudOperation } from './operation.ts'
import { createEnvelope } from './envelope.ts'
import type { SendCloudCode } from './envelope.ts'
import { sumRows, readStatisticsRows } from './statistics-rows.ts'
import type { StatisticsDimension, StatisticsRow, StatisticsRowQuery } from './statistics-rows.ts'
import { API_USERS, DOMAINS, LABEL_IDS, LABEL_NAMES, resolveLabelIds, MAX_WINDOW_DAYS } from './filters.ts'
import type { Parameter } from './parameters.ts'
import { readParameters } from './parameters.ts'
import { readWindow } from './window.ts'

type StatisticsNeeds = { readonly statistics: Pick<StatisticsService, 'sumCounters' | 'findLabelNames' | 'findLabelIds'> }

const BOOLEAN_VALUES: ReadonlyMap<string, boolean> = new Map([
  ['0', false],
  ['1', true],
  ['false', false],
  ['true', true],
])

const AGGREGATE_PARAMETER: Parameter<boolean> = {
  names: ['aggregate'],
  missingCode: null,
  invalidCode: 40017,
  read: (text) => BOOLEAN_VALUES.get(text.toLowerCase()) ?? null,
  defaultValue: false,
}
const FILTER_PARAMETERS = { apiUsers: API_USERS, labelIds: LABEL_IDS, labelNames: LABEL_NAMES }
const NO_DOMAINS_PARAMETER: Parameter<readonly string[] | null> = { ...DOMAINS, names: [] }

/** Each metric is reported as `<name>Num` and, as a percentage of `over`, as `<name>Percent`. */
const REPORTED_METRICS = [
  { name: 'request', metric: 'request', over: 'request' },
  { name: 'delivered', metric: 'delivered', over: 'request' },
  { name: 'click', metric: 'click', over: 'delivered' },
  { name: 'open', metric: 'open', over: 'delivered' },
  { name: 'bounce', metric: 'soft-bounce', over: 'request' },
  { name: 'spamReported', metric: 'complaint', over: 'delivered' },
  { name: 'unsubscribe', metric: 'unsubscribe', over: 'delivered' },
  { name: 'uniqueOpens', metric: 'unique-open', over: 'delivered' },
  { name: 'uniqueClicks', metric: 'unique-click', over: 'delivered' },
  { name: 'invalidEmails', metric: 'invalid', over: 'request' },
] as const satisfies readonly { readonly name: string; readonly metric: CounterMetric; readonly over: CounterMetric }[]

type MetricCounts = ReadonlyMap<string, number>

/** Rounded to two decimals. */
const toPercent = (n: number, of: number): number => (of <= 0 ? 0 : Math.round((n / of) * 10_000) / 100)

function toCountFields(counts: MetricCounts): object {
  const of = (metric: CounterMetric): number => counts.get(metric) ?? 0
  const numbers = REPORTED_METRICS.map(({ name, metric }) => [`${name}Num`, of(metric)])
  const percents = REPORTED_METRICS.map(({ name, metric, over }) => [`${name}Percent`, toPercent(of(metric), of(over))])
  return Object.fromEntries([...numbers, ...percents])
}

/** The causes of invalid emails by sub status, in SendCloud's spelling. Other causes are counted as `others`. */
const INVALID_CAUSES = [
  ['sendcloudBlacklist', 401],
  ['ubsubscribe', 402],
  ['espUnvaliable', 403],
  ['recipientAddressError', 404],
  ['ipOrDomainRejected', 405],
  ['recipientNotFound', 406],
  ['spamEmails', 407],
  ['senderOrRecipientRejected', 408],
] as const

function toCauseFields(counts: MetricCounts): object {
  const named = INVALID_CAUSES.map(([name, subStatus]) => [name, counts.get(`invalid-${subStatus}`) ?? 0] as const)
  const rest = (counts.get('invalid') ?? 0) - named.reduce((sum, [, n]) => sum + n, 0)
  return Object.fromEntries([...named, ['others', rest]])
}

type StatisticsKind = {
  readonly metrics: readonly CounterMetric[]
  readonly dimensions: readonly StatisticsDimension[]
  readonly isHourly: boolean
  readonly domains: Parameter<readonly string[] | null>
  readonly toFields: (counts: MetricCounts) => object
}

const METRICS = REPORTED_METRICS.map(({ metric }) => metric)
const ALL_DIMENSIONS = ['apiUser', 'labelId', 'domain'] as const
const INVALID_METRICS: readonly CounterMetric[] = ['invalid', ...INVALID_CAUSES.map(([, subStatus]) => `invalid-${subStatus}` as const)]

const STATISTICS_KINDS = {
  day: { metrics: METRICS, dimensions: ALL_DIMENSIONS, isHourly: false, domains: DOMAINS, toFields: toCountFields },
  hour: { metrics: METRICS, dimensions: ['apiUser', 'labelId'], isHourly: true, domains: NO_DOMAINS_PARAMETER, toFields: toCountFields },
  invalid: { metrics: INVALID_METRICS, dimensions: ALL_DIMENSIONS, isHourly: false, domains: DOMAINS, toFields: toCauseFields },
} as const satisfies Record<string, StatisticsKind>

type StatisticsRequest =
  | { readonly ok: true; readonly query: StatisticsRowQuery; readonly isAggregate: boolean }
  | { readonly ok: false; readonly code: SendCloudCode }

async function readStatisticsRequest(
  context: SendCloudOperationContext<StatisticsNeeds>,
  kind: StatisticsKind,
): Promise<StatisticsRequest> {
  const { parameters, settings, now } = context
  const window = readWindow(parameters, { maxDays: MAX_WINDOW_DAYS, zone: settings.zone, now })
  if (!window.ok) return window
  if (window.range === null) return { ok: false, code: 40006 }
  const read = readParameters({ ...FILTER_PARAMETERS, domains: kind.domains, isAggregate: AGGREGATE_PARAMETER }, parameters)
  if (!read.ok) return read
  const { isAggregate, apiUsers, domains } = read.values
  const labelIds = await resolveLabelIds(context, read.values)
  const { metrics, isHourly } = kind
  return {
    ok: true,
    isAggregate,
    query: {
      range: window.range,
      metrics,
      dimensions: isAggregate ? [] : kind.dimensions,
      isHourly: isHourly && !isAggregate,
      apiUsers,
      labelIds,
      domains,
    },
  }
}

function createStatisticsOperation(kind: StatisticsKind): SendCloudOperation<StatisticsNeeds> {
  return async (context) => {
    const statisticsRequest = await readStatisticsRequest(context, kind)
    if (!statisticsRequest.ok) return createEnvelope(statisticsRequest.code)
    const rows = await readStatisticsRows(context, statisticsRequest.query)
    if (rows === null) return createEnvelope(40006)
    if (statisticsRequest.isAggregate) return createEnvelope(200, { dataList: kind.toFields(sumRows(rows)) })
    const names = await context.services.statistics.findLabelNames(context.caller.account, [...new Set(rows.map(({ labelId }) => labelId))])
    return createEnvelope(200, { dataList: rows.map((row) => toStatisticsRow(row, kind, names)) })
  }
}

function toStatisticsRow(row: StatisticsRow, kind: StatisticsKind, names: ReadonlyMap<number, string>): object {
  const { day, hour, apiUser, labelId, domain, counts } = row
  return {
    sendDate: day,
    ...(hour === null ? {} : { sendHour: hour }),
    apiUser,
    ...(kind.dimensions.includes('domain') ? { domain } : {}),
    labelId,
    labelName: names.get(labelId) ?? null,
    ...kind.toFields(counts),
  }
}

/** `statday/list`. */
export const listDailyStatistics = createStatisticsOperation(STATISTICS_KINDS.day)
/** `stathour/list`: hours of the local time of the account; an hour without messages has no row. */
export const listHourlyStatistics = createStatisticsOperation(STATISTICS_KINDS.hour)
/** `invalidstat/list`. */
export const listInvalidStatistics = createStatisticsOperation(STATISTICS_KINDS.invalid)

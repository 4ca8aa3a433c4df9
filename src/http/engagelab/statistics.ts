/**
 * statistics - EngageLab's `stats_day` and `stats_hour`: the same counters as SendCloud's, under EngageLab's names
 *
 * `targets` and `sent` are the requested mails: what a list refuses is counted in `invalid_email`. Days are those of `time_zone`, by default of
 * the account.
 *
 * See also: http/sendcloud/statistics (reads the counters), docs/SENDCLOUD.md.
 */
import { asObject, type JsonObject } from '../../mail/mime/json-reader.ts'
import type { StatisticsService } from '../services/statistics.ts'
import type { SendCloudOperation } from '../sendcloud/operation.ts'
import { listDailyStatistics, listHourlyStatistics } from '../sendcloud/statistics.ts'
import type { EngageLabOperation, EngageLabOperationContext, EngageLabRefusal } from './operation.ts'

type StatisticsNeeds = { readonly statistics: Pick<StatisticsService, 'sumCounters' | 'findLabelNames' | 'findLabelIds'> }

/** EngageLab's names of parameters, and SendCloud's. */
const PARAMETER_NAMES: Readonly<Record<string, string>> = {
  start_date: 'startDate',
  end_date: 'endDate',
  api_users: 'apiUserList',
  api_user: 'apiUserList',
  label_ids: 'labelIdList',
  label_id: 'labelIdList',
  domain_names: 'domainList',
  domain_name: 'domainList',
  aggregate_by: 'aggregate',
}

/** EngageLab's fields, and SendCloud's. */
const FIELD_NAMES = [
  ['send_date', 'sendDate'],
  ['send_hour', 'sendHour'],
  ['api_user', 'apiUser'],
  ['domain_name', 'domain'],
  ['label_id', 'labelId'],
  ['label_name', 'labelName'],
  ['targets', 'requestNum'],
  ['sent', 'requestNum'],
  ['delivered', 'deliveredNum'],
  ['delivered_percent', 'deliveredPercent'],
  ['invalid_email', 'invalidEmailsNum'],
  ['invalid_email_percent', 'invalidEmailsPercent'],
  ['soft_bounce', 'bounceNum'],
  ['soft_bounce_percent', 'bouncePercent'],
  ['billing_count', 'requestNum'],
  ['total_opens', 'openNum'],
  ['total_open_percent', 'openPercent'],
  ['opens', 'uniqueOpensNum'],
  ['open_percent', 'uniqueOpensPercent'],
  ['total_clicks', 'clickNum'],
  ['total_click_percent', 'clickPercent'],
  ['clicks', 'uniqueClicksNum'],
  ['click_percent', 'uniqueClicksPercent'],
  ['report_spam', 'spamReportedNum'],
  ['report_spam_percent', 'spamReportedPercent'],
  ['unsubscribe', 'unsubscribeNum'],
  ['unsubscribe_percent', 'unsubscribePercent'],
] as const

const toRow = (row: JsonObject): object =>
  Object.fromEntries(FIELD_NAMES.flatMap(([name, field]) => (field in row ? [[name, row[field]]] : [])))

/** `+8`, `-03:30`; null: not an offset. */
function readOffset(text: string): string | null {
  const [, sign = '+', hours = '', minutes = '00'] = /^([+-]?)(\d{1,2})(?::?([0-5]\d))?$/.exec(text) ?? []
  return hours === '' || Number(hours) > 14 ? null : `${sign === '-' ? '-' : '+'}${hours.padStart(2, '0')}:${minutes}`
}

const NO_CACHE = { getOrLoad: async <T>(_key: unknown, load: () => Promise<T>): Promise<T> => load() }

function createStatisticsOperation(operation: SendCloudOperation<StatisticsNeeds>): EngageLabOperation<StatisticsNeeds, object> {
  return async (context) => {
    const zone = zoneOf(context)
    if (zone === null) return { code: 400, message: 'time_zone is invalid: an offset such as +8' } satisfies EngageLabRefusal
    const given = [...context.parameters].filter(([name, value]) => name in PARAMETER_NAMES && value !== '')
    const parameters = new Map(given.map(([name, value]) => [PARAMETER_NAMES[name] ?? name, value] as const))
    const settings = { ...context.settings, zone }
    const { statusCode, info, message } = await operation({ ...context, parameters, settings, maxStatusDays: 1, responseCache: NO_CACHE })
    if (statusCode !== 200) return { code: statusCode, message } satisfies EngageLabRefusal
    const dataList: unknown = Reflect.get(info, 'dataList')
    if (!Array.isArray(dataList)) return { result: toRow(asObject(dataList) ?? {}), count: 1, total: 1 }
    const result = dataList.map((row: unknown) => toRow(asObject(row) ?? {}))
    return { result, count: result.length, total: result.length }
  }
}

function zoneOf({ parameters, settings }: EngageLabOperationContext): string | null {
  // A plus sign in a query that is not encoded is a space.
  const text = parameters.get('time_zone')?.trim() ?? ''
  return text === '' ? settings.zone : readOffset(text)
}

/** `GET /v1/stats_day`. */
export const listEngageLabDailyStatistics = createStatisticsOperation(listDailyStatistics)
/** `GET /v1/stats_hour`. */
export const listEngageLabHourlyStatistics = createStatisticsOperation(listHourlyStatistics)

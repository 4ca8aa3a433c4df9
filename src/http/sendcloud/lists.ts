/**
 * lists - SendCloud's operations on bounces, complaints and unsubscribes: list, count, delete, and add an unsubscribe
 *
 * A request names a window of at most three months, or an email, which overrides the window. Removed and expired entries are not listed.
 *
 * See also: http/services/suppressions, http/api/suppressions/suppressions (our own API), docs/SENDCLOUD.md.
 */
import type { ListName } from '../../ledger/facts/list-facts.ts'
import type { SuppressionRow } from '../../ledger/project/state.ts'
import type { StatisticsService } from '../services/statistics.ts'
import type { SuppressionQuery, SuppressionService } from '../services/suppressions.ts'
import type { SendCloudOperationContext, SendCloudOperation } from './operation.ts'
import { createEnvelope } from './envelope.ts'
import type { SendCloudCode } from './envelope.ts'
import { API_USERS, createEmailParameter, LABEL_IDS, LABEL_NAMES, resolveLabelIds, SENDCLOUD_PAGING, MAX_WINDOW_DAYS } from './filters.ts'
import { readParameters } from './parameters.ts'
import { formatTime } from './zoned-time.ts'
import { readWindow } from './window.ts'
import { UNSUBSCRIBE_TYPE_NAMES } from './status-names.ts'

type ListNeeds = {
  readonly suppressions: Pick<SuppressionService, 'list' | 'count' | 'remove' | 'addUnsubscribe' | 'describeCauses'>
  readonly statistics: Pick<StatisticsService, 'findLabelIds'>
}

const FILTER_PARAMETERS = { apiUsers: API_USERS, labelIds: LABEL_IDS, labelNames: LABEL_NAMES }

/** Formats an entry as SendCloud does. `reason` is the provider's text. */
type SuppressionRowFormatter = (row: SuppressionRow, zone: string, reason: string) => object

const formatExpiry = (row: SuppressionRow, zone: string): string => (row.until === null ? '' : formatTime(row.until, zone))

export const toBounceRow: SuppressionRowFormatter = (row, zone, reason) => ({
  email: row.address ?? '',
  reason,
  domain: row.domain,
  bounceTime: formatTime(row.from, zone),
  expireTime: formatExpiry(row, zone),
})

export const toComplaintRow: SuppressionRowFormatter = (row, zone, reason) => ({
  email: row.address ?? '',
  reason,
  spamReportedTime: formatTime(row.from, zone),
  domain: row.domain,
})

/** Under its old name the operation returns `receiver` instead of `email`. */
export const toSpamReportedRow: SuppressionRowFormatter = (row, zone, reason) => ({
  receiver: row.address ?? '',
  reason,
  spamReportedTime: formatTime(row.from, zone),
  domain: row.domain,
})

export const toUnsubscribeRow: SuppressionRowFormatter = (row, zone) => ({
  ...toUnsubscribeFields(row, zone),
  unsubscribeType: row.unsubscribeType ?? 0,
  unsubscribeTypeDesc: UNSUBSCRIBE_TYPE_NAMES[row.unsubscribeType ?? 0],
})

function toUnsubscribeFields(row: SuppressionRow, zone: string): object {
  return {
    email: row.address ?? '',
    domain: row.domain,
    labelId: row.labelId ?? 0,
    apiUser: row.apiUser ?? '',
    unsubscribeTime: formatTime(row.from, zone),
  }
}

type SuppressionQueryResult = { readonly ok: true; readonly query: SuppressionQuery } | { readonly ok: false; readonly code: SendCloudCode }

/** Reads email, window, filters and paging, in SendCloud's order of errors. */
async function readSuppressionQuery(context: SendCloudOperationContext<ListNeeds>, list: ListName): Promise<SuppressionQueryResult> {
  const { parameters, settings, now } = context
  const emailResult = readParameters({ email: createEmailParameter(null) }, parameters)
  if (!emailResult.ok) return emailResult
  const { email } = emailResult.values
  const window = readWindow(parameters, { maxDays: MAX_WINDOW_DAYS, zone: settings.zone, now })
  // An email overrides the window, even an invalid one.
  if (email === null && !window.ok) return window
  const range = email === null && window.ok ? window.range : null
  if (email === null && range === null) return { ok: false, code: 40006 }
  return readFiltersAndPaging(context, { list, email, from: range?.from ?? null, until: range?.until ?? null })
}

async function readFiltersAndPaging(
  context: SendCloudOperationContext<ListNeeds>,
  leading: Pick<SuppressionQuery, 'list' | 'email' | 'from' | 'until'>,
): Promise<SuppressionQueryResult> {
  const parsed = readParameters({ ...FILTER_PARAMETERS, ...SENDCLOUD_PAGING }, context.parameters)
  if (!parsed.ok) return parsed
  const { start, limit, apiUsers } = parsed.values
  const labelIds = await resolveLabelIds(context, parsed.values)
  return { ok: true, query: { ...leading, apiUsers, labelIds, onlyInForce: true, after: null, offset: start, limit } }
}

/** `<list>/list`. */
export function createSendCloudListOperation(list: ListName, toRow: SuppressionRowFormatter): SendCloudOperation<ListNeeds> {
  return async (context) => {
    const queryResult = await readSuppressionQuery(context, list)
    if (!queryResult.ok) return createEnvelope(queryResult.code)
    const { services, caller, settings } = context
    const { rows } = await services.suppressions.list(caller.account, queryResult.query)
    const causes = await services.suppressions.describeCauses(caller.account, rows)
    return createEnvelope(200, { dataList: rows.map((row, n) => toRow(row, settings.zone, causes[n] ?? '')), count: rows.length })
  }
}

/** `<list>/count`. */
export function createSendCloudCountOperation(list: ListName): SendCloudOperation<ListNeeds> {
  return async (context) => {
    const queryResult = await readSuppressionQuery(context, list)
    return queryResult.ok
      ? createEnvelope(200, { count: await context.services.suppressions.count(context.caller.account, queryResult.query) })
      : createEnvelope(queryResult.code)
  }
}

/** `<list>/delete`, with SendCloud's success code for the list. */
export function createSendCloudDeleteOperation(list: ListName, successCode: SendCloudCode): SendCloudOperation<ListNeeds> {
  return async (context) => {
    const queryResult = await readSuppressionQuery(context, list)
    return queryResult.ok
      ? createEnvelope(successCode, { count: await context.services.suppressions.remove(context.caller, queryResult.query) })
      : createEnvelope(queryResult.code)
  }
}

/** `unsubscribe/add`. */
export const addSendCloudUnsubscribe: SendCloudOperation<ListNeeds> = async ({ parameters, caller, services, settings }) => {
  const read = readParameters({ email: createEmailParameter(40011) }, parameters)
  if (!read.ok) return createEnvelope(read.code)
  if (read.values.email === null) return createEnvelope(40011)
  const row = await services.suppressions.addUnsubscribe(caller, read.values.email, 0)
  return createEnvelope(40401, { data: toUnsubscribeFields(row, settings.zone) })
}

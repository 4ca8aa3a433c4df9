/**
 * email-status - SendCloud's `data/emailStatus`: lists messages by recipient, ID, label, day and status
 *
 * Statuses are words, `total` is a string, and fields that we do not support are empty strings, as SendCloud's clients expect.
 *
 * See also: http/services/messages, http/sendcloud/response-cache, docs/SENDCLOUD.md.
 */
import { subStatusName } from '../../webhook/sub-status-names.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { MessageService } from '../services/messages.ts'
import type { SendCloudOperation } from './operation.ts'
import { createEnvelope } from './envelope.ts'
import { API_USERS, createEmailParameter, LABEL_ID, LABEL_NAME, SENDCLOUD_PAGING } from './filters.ts'
import { readList, readParameters, defineParameter } from './parameters.ts'
import { formatDay, formatTime } from './zoned-time.ts'
import { readWindow } from './window.ts'
import { STATUS_NAMES } from './status-names.ts'

type StatusNeeds = { readonly messages: Pick<MessageService, 'list'> }

/** Checked before the window. */
const LEADING_PARAMETERS = {
  email: createEmailParameter(null),
  emailIds: defineParameter<readonly string[] | null>({
    names: ['emailIds'],
    missingCode: null,
    invalidCode: 40012,
    read: readList(1_000),
    defaultValue: null,
  }),
  labelId: LABEL_ID,
  labelName: LABEL_NAME,
}

/** Checked after the window. */
const TRAILING_PARAMETERS = {
  apiUsers: API_USERS,
  ...SENDCLOUD_PAGING,
  status: defineParameter<number | null>({
    names: ['status'],
    missingCode: null,
    invalidCode: 40006,
    read: readStatusFilter,
    defaultValue: null,
  }),
  subStatuses: defineParameter<readonly number[] | null>({
    names: ['subStatus'],
    missingCode: null,
    invalidCode: 40006,
    read: readSubStatusFilter,
    defaultValue: null,
  }),
}

/** SendCloud has no code for an unknown status: the filter matches nothing. */
const UNKNOWN_STATUS = -1

export function readStatusFilter(text: string): number {
  return Object.hasOwn(STATUS_NAMES, text) ? Number(text) : UNKNOWN_STATUS
}

export function readSubStatusFilter(text: string): readonly number[] {
  return (readList(100)(text) ?? []).map((part) => (/^[45]\d\d$/.test(part) ? Number(part) : UNKNOWN_STATUS))
}

/** Filters of our own API that SendCloud does not have. */
const UNSUPPORTED_FILTERS = { requestIp: null, egressIp: null, emailType: null, after: null, withTotal: true }

/** `data/emailStatus`: the same request may get a cached response (http/sendcloud/response-cache). */
export const listSendCloudStatuses: SendCloudOperation<StatusNeeds> = (context) => {
  const { parameters, caller, settings, now, responseCache } = context
  const filterParameters = [...parameters].filter(([name]) => !CREDENTIAL_PARAMETERS.has(name)).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const parts = ['data/emailStatus', settings.version, formatDay(now, settings.zone), filterParameters]
  return responseCache.getOrLoad({ account: caller.account, parts }, () => loadStatuses(context))
}

/** Not part of the cache key, which contains the account. */
const CREDENTIAL_PARAMETERS: ReadonlySet<string> = new Set(['apiUser', 'apiKey', 'api_user', 'api_key'])

const loadStatuses: SendCloudOperation<StatusNeeds> = async ({ parameters, caller, services, settings, now, maxStatusDays }) => {
  const leading = readParameters(LEADING_PARAMETERS, parameters)
  if (!leading.ok) return createEnvelope(leading.code)
  const window = readWindow(parameters, { maxDays: maxStatusDays, zone: settings.zone, now })
  if (!window.ok) return createEnvelope(window.code)
  if (window.range === null) return createEnvelope(40006)
  const trailing = readParameters(TRAILING_PARAMETERS, parameters)
  if (!trailing.ok) return createEnvelope(trailing.code)
  const { email, emailIds, labelId, labelName } = leading.values
  const { start, limit, ...filters } = trailing.values
  const query = {
    email,
    emailIds,
    labelId,
    labelName: labelId === null ? labelName : null,
    ...window.range,
    ...filters,
    ...UNSUPPORTED_FILTERS,
    offset: start,
    limit,
  }
  const { rows, total } = await services.messages.list(caller.account, query)
  return createEnvelope(200, {
    total: String(total ?? rows.length),
    voListSize: rows.length,
    voList: rows.map((row) => toStatusRow(row, settings.zone)),
  })
}

/** Fields that SendCloud's clients read and we do not support. */
const EMPTY_FIELDS = {
  softStatus: '',
  event: '',
  receiver: '',
  message: '',
  email: '',
  taskName: '',
  mailingStatus: '',
  timeStr: '',
  name: '',
  phone: '',
}

function toStatusRow(row: DeliveryRow, zone: string): object {
  return {
    ...EMPTY_FIELDS,
    emailId: row.emailId ?? '',
    status: STATUS_NAMES[row.status],
    apiUser: row.apiUser,
    recipients: row.recipient ?? '',
    requestTime: formatTime(row.requestedAt, zone),
    modifiedTime: formatTime(row.modifiedAt, zone),
    sendLog: row.sendLog,
    subStatus: row.subStatus ?? 0,
    subStatusDesc: subStatusName(row.subStatus),
  }
}

/**
 * email-status - data/emailStatus: what became of mails, by recipient, id, label, day and status
 *
 * Statuses come as words, `total` as a string, and fields that we have no notion of as empty strings.
 */
import { subStatusName } from '../../webhook/sub-status-names.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { SendCloudOperation } from './operation.ts'
import { createEnvelope } from './envelope.ts'
import { API_USERS, createEmailParameter, LABEL_ID, LABEL_NAME, SENDCLOUD_PAGING } from './filters.ts'
import { readList, readParameters, defineParameter } from './parameters.ts'
import { formatDay, formatTime } from './zoned-time.ts'
import { readWindow } from './window.ts'
import { STATUS_NAMES } from './status-names.ts'

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

/** The vendor has no code for a status that there is not: such a filter finds nothing. */
const UNKNOWN_STATUS = -1

export function readStatusFilter(text: string): number {
  return Object.hasOwn(STATUS_NAMES, text) ? Number(text) : UNKNOWN_STATUS
}

export function readSubStatusFilter(text: string): readonly number[] {
  return (readList(100)(text) ?? []).map((part) => (/^[45]\d\d$/.test(part) ? Number(part) : UNKNOWN_STATUS))
}

/** Filters of our own API that the vendor has not. */
const UNSUPPORTED_FILTERS = { requestIp: null, egressIp: null, emailType: null, after: null, withTotal: true }

/** `data/emailStatus`; the same question hears the same answer for a while (http/sendcloud/response-cache). */
export const listSendCloudStatuses: SendCloudOperation = (context) => {
  const { parameters, caller, settings, now, responseCache } = context
  const filterParameters = [...parameters].filter(([name]) => !CREDENTIAL_PARAMETERS.has(name)).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const parts = ['data/emailStatus', settings.version, formatDay(now, settings.zone), filterParameters]
  return responseCache.getOrLoad({ account: caller.account, parts }, () => loadStatuses(context))
}

/** Who asks is not what is asked. */
const CREDENTIAL_PARAMETERS: ReadonlySet<string> = new Set(['apiUser', 'apiKey', 'api_user', 'api_key'])

const loadStatuses: SendCloudOperation = async ({ parameters, caller, services, settings, now, maxStatusDays }) => {
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
  const { rows, total } = await services.listStatuses(caller.account, query)
  return createEnvelope(200, {
    total: String(total ?? rows.length),
    voListSize: rows.length,
    voList: rows.map((row) => toStatusRow(row, settings.zone)),
  })
}

/** Fields that the vendor's clients read and we have no notion of. */
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

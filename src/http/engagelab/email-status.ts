/**
 * email-status - EngageLab's `email_status`: lists the messages of one day with their status
 *
 * `sub_status` overrides `status`, as in EngageLab's API.
 *
 * See also: http/services/messages, http/sendcloud/email-status.
 */
import { subStatusName } from '../../webhook/sub-status-names.ts'
import { normaliseDomain } from '../../correlate/address-hash.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { MessageService } from '../services/messages.ts'
import { readSubStatusFilter, readStatusFilter } from '../sendcloud/email-status.ts'
import type { Parameter } from '../sendcloud/parameters.ts'
import { readList, readParameters } from '../sendcloud/parameters.ts'
import { formatOffsetTime, parseDay, toDayRange } from '../sendcloud/zoned-time.ts'
import { STATUS_NAMES } from '../sendcloud/status-names.ts'
import type { EngageLabOperation } from './operation.ts'
import { ENGAGELAB_EMAIL, ENGAGELAB_LABEL_ID, ENGAGELAB_PAGING, ENGAGELAB_API_USERS } from './filters.ts'

const SEND_DATE: Parameter<string> = { names: ['send_date'], missingCode: 40007, invalidCode: 40007, read: parseDay, defaultValue: '' }
const EMAIL_IDS: Parameter<readonly string[] | null> = {
  names: ['email_ids'],
  missingCode: null,
  invalidCode: 40012,
  read: readList(1_000),
  defaultValue: null,
}
const DOMAIN_NAME: Parameter<string | null> = {
  names: ['domain_name'],
  missingCode: null,
  invalidCode: 40012,
  read: normaliseDomain,
  defaultValue: null,
}
const STATUS: Parameter<number | null> = {
  names: ['status'],
  missingCode: null,
  invalidCode: 40006,
  read: readStatusFilter,
  defaultValue: null,
}
const SUB_STATUS: Parameter<readonly number[] | null> = {
  names: ['sub_status'],
  missingCode: null,
  invalidCode: 40006,
  read: readSubStatusFilter,
  defaultValue: null,
}

const STATUS_PARAMETERS = {
  day: SEND_DATE,
  email: ENGAGELAB_EMAIL,
  emailIds: EMAIL_IDS,
  apiUsers: ENGAGELAB_API_USERS,
  domain: DOMAIN_NAME,
  labelId: ENGAGELAB_LABEL_ID,
  status: STATUS,
  subStatuses: SUB_STATUS,
  ...ENGAGELAB_PAGING,
}

/** Filters of our own API that EngageLab does not have. */
const UNSUPPORTED_FILTERS = { labelName: null, requestIp: null, egressIp: null, emailType: null, after: null, withTotal: true }

/** `GET /v1/email_status`. */
export const listEngageLabStatuses: EngageLabOperation<{ readonly messages: Pick<MessageService, 'list'> }> = async ({
  parameters,
  caller,
  services,
  settings,
}) => {
  const read = readParameters(STATUS_PARAMETERS, parameters)
  if (!read.ok) return { code: read.code }
  const { day, status, ...filters } = read.values
  const range = toDayRange(day, day, settings.zone)
  const query = { ...UNSUPPORTED_FILTERS, ...filters, status: filters.subStatuses === null ? status : null, ...range }
  const { rows, total } = await services.messages.list(caller.account, query)
  return { result: rows.map((row) => toStatusRow(row, settings.zone)), count: rows.length, total: total ?? rows.length }
}

function toStatusRow(row: DeliveryRow, zone: string): object {
  return {
    email_id: row.emailId ?? '',
    api_user: row.apiUser,
    email: row.recipient ?? '',
    label_id: row.labelId ?? 0,
    status: row.status,
    status_desc: STATUS_NAMES[row.status],
    sub_status: row.subStatus ?? 0,
    sub_status_desc: subStatusName(row.subStatus),
    send_log: row.sendLog,
    request_time: formatOffsetTime(row.requestedAt, zone),
    modified_time: formatOffsetTime(row.modifiedAt, zone),
  }
}

/**
 * email-status - email_status: what became of the mails of one day
 *
 * `sub_status` makes `status` moot, as that vendor has it.
 *
 * See also: http/sendcloud/email-status (the other face).
 */
import { subStatusWords } from '../../webhook/sub-status-names.ts'
import { knowDomain } from '../../correlate/address-hash.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import { readNumbers, readStatus } from '../sendcloud/email-status.ts'
import type { Parameter } from '../sendcloud/parameters.ts'
import { readList, readParameters } from '../sendcloud/parameters.ts'
import { formatTime, parseDay, spanOfDays } from '../sendcloud/zoned-time.ts'
import { STATUS_WORDS } from '../sendcloud/status-names.ts'
import type { Operation } from './operation.ts'
import { EMAIL, LABEL, PAGING, USERS } from './filters.ts'

const DATE: Parameter<string> = { names: ['send_date'], empty: 40007, invalid: 40007, read: parseDay, absent: '' }
const IDS: Parameter<readonly string[] | null> = {
  names: ['email_ids'],
  empty: null,
  invalid: 40012,
  read: readList(1_000),
  absent: null,
}
const DOMAIN: Parameter<string | null> = { names: ['domain_name'], empty: null, invalid: 40012, read: knowDomain, absent: null }
const STATUS: Parameter<number | null> = { names: ['status'], empty: null, invalid: 40006, read: readStatus, absent: null }
const SUB_STATUS: Parameter<readonly number[] | null> = {
  names: ['sub_status'],
  empty: null,
  invalid: 40006,
  read: readNumbers,
  absent: null,
}

const TABLE = {
  day: DATE,
  email: EMAIL,
  emailIds: IDS,
  apiUsers: USERS,
  domain: DOMAIN,
  labelId: LABEL,
  status: STATUS,
  subStatuses: SUB_STATUS,
  ...PAGING,
}

/** Filters of our own API that this face has not. */
const UNASKED = { labelName: null, requestIp: null, egressIp: null, emailType: null, after: null, withTotal: true }

/** `GET /v1/email_status`. */
export const listStatuses: Operation = async ({ bag, by, desk, settings }) => {
  const read = readParameters(TABLE, bag)
  if (!read.ok) return { code: read.code }
  const { day, status, ...filters } = read.values
  const span = spanOfDays(day, day, settings.zone)
  const query = { ...UNASKED, ...filters, status: filters.subStatuses === null ? status : null, ...span }
  const { rows, total } = await desk.statuses(by.account, query)
  return { result: rows.map((row) => view(row, settings.zone)), count: rows.length, total: total ?? rows.length }
}

function view(row: DeliveryRow, zone: string): object {
  return {
    email_id: row.emailId ?? '',
    api_user: row.apiUser,
    email: row.recipient ?? '',
    label_id: row.labelId ?? 0,
    status: row.status,
    status_desc: STATUS_WORDS[row.status],
    sub_status: row.subStatus ?? 0,
    sub_status_desc: subStatusWords(row.subStatus),
    send_log: row.sendLog,
    request_time: formatTime(row.requestedAt, zone),
    modified_time: formatTime(row.modifiedAt, zone),
  }
}

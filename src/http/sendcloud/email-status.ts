/**
 * email-status - data/emailStatus: what became of mails, by recipient, id, label, day and status
 *
 * Statuses come as words, `total` as a string, and fields that we have no notion of as empty strings.
 */
import { subStatusWords } from '../../webhook/sub-status-names.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { Operation } from './operation.ts'
import { envelope } from './envelope.ts'
import { API_USERS, emailRow, LABEL_ID, LABEL_NAME, PAGING } from './filters.ts'
import { readList, readParameters, parameter } from './parameters.ts'
import { dayOf, formatTime } from './zoned-time.ts'
import { readWindow } from './window.ts'
import { STATUS_WORDS } from './status-names.ts'

const FIRST = {
  email: emailRow(null),
  emailIds: parameter<readonly string[] | null>({ names: ['emailIds'], empty: null, invalid: 40012, read: readList(1_000), absent: null }),
  labelId: LABEL_ID,
  labelName: LABEL_NAME,
}

const LAST = {
  apiUsers: API_USERS,
  ...PAGING,
  status: parameter<number | null>({ names: ['status'], empty: null, invalid: 40006, read: readStatus, absent: null }),
  subStatuses: parameter<readonly number[] | null>({ names: ['subStatus'], empty: null, invalid: 40006, read: readNumbers, absent: null }),
}

/** The vendor has no code for a status that there is not: such a filter finds nothing. */
const NO_SUCH = -1

export function readStatus(text: string): number {
  return Object.hasOwn(STATUS_WORDS, text) ? Number(text) : NO_SUCH
}

export function readNumbers(text: string): readonly number[] {
  return (readList(100)(text) ?? []).map((part) => (/^[45]\d\d$/.test(part) ? Number(part) : NO_SUCH))
}

/** Filters of our own API that the vendor has not. */
const UNASKED = { requestIp: null, egressIp: null, emailType: null, after: null, withTotal: true }

/** `data/emailStatus`; the same question hears the same answer for a while (http/sendcloud/response-cache). */
export const emailStatus: Operation = (call) => {
  const { bag, by, settings, now, answers } = call
  const asked = [...bag].filter(([name]) => !SIGN_IN.has(name)).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const parts = ['data/emailStatus', settings.version, dayOf(now, settings.zone), asked]
  return answers.remember({ account: by.account, parts }, () => readStatuses(call))
}

/** Who asks is not what is asked. */
const SIGN_IN: ReadonlySet<string> = new Set(['apiUser', 'apiKey', 'api_user', 'api_key'])

const readStatuses: Operation = async ({ bag, by, desk, settings, now, statusDays }) => {
  const first = readParameters(FIRST, bag)
  if (!first.ok) return envelope(first.code)
  const window = readWindow(bag, { mostDays: statusDays, zone: settings.zone, now })
  if (!window.ok) return envelope(window.code)
  if (window.span === null) return envelope(40006)
  const last = readParameters(LAST, bag)
  if (!last.ok) return envelope(last.code)
  const { email, emailIds, labelId, labelName } = first.values
  const { start, limit, ...filters } = last.values
  const query = {
    email,
    emailIds,
    labelId,
    labelName: labelId === null ? labelName : null,
    ...window.span,
    ...filters,
    ...UNASKED,
    offset: start,
    limit,
  }
  const { rows, total } = await desk.statuses(by.account, query)
  return envelope(200, {
    total: String(total ?? rows.length),
    voListSize: rows.length,
    voList: rows.map((row) => viewStatus(row, settings.zone)),
  })
}

/** Fields that the vendor's clients read and we have no notion of. */
const UNUSED = {
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

function viewStatus(row: DeliveryRow, zone: string): object {
  return {
    ...UNUSED,
    emailId: row.emailId ?? '',
    status: STATUS_WORDS[row.status],
    apiUser: row.apiUser,
    recipients: row.recipient ?? '',
    requestTime: formatTime(row.requestedAt, zone),
    modifiedTime: formatTime(row.modifiedAt, zone),
    sendLog: row.sendLog,
    subStatus: row.subStatus ?? 0,
    subStatusDesc: subStatusWords(row.subStatus),
  }
}

/**
 * lists - the vendor's operations on bounces, complaints and unsubscribes: list, count, delete, and adding an unsubscribe
 *
 * A window of at most three months or an email, which makes the window moot. What was removed or has ended is not on a list.
 *
 * See also: http/api/suppressions (our own face), docs/SENDCLOUD.md.
 */
import type { ListName } from '../../ledger/facts/fact.ts'
import type { SuppressionRow } from '../../ledger/project/state.ts'
import type { SuppressionQuery } from '../services.ts'
import type { Call, Operation } from './operation.ts'
import { envelope } from './envelope.ts'
import type { VendorCode } from './envelope.ts'
import { API_USERS, emailRow, LABEL_IDS, LABEL_NAMES, labelsAsked, PAGING, WINDOW_DAYS } from './filters.ts'
import { readParameters } from './parameters.ts'
import { formatTime } from './zoned-time.ts'
import { readWindow } from './window.ts'
import { UNSUBSCRIBE_WORDS } from './status-names.ts'

const FILTERS = { apiUsers: API_USERS, labelIds: LABEL_IDS, labelNames: LABEL_NAMES }

/** A row as the vendor writes it. */
type View = (row: SuppressionRow, zone: string) => object

const until = (row: SuppressionRow, zone: string): string => (row.until === null ? '' : formatTime(row.until, zone))

export const viewBounce: View = (row, zone) => ({
  email: row.address ?? '',
  reason: row.reason,
  domain: row.domain,
  bounceTime: formatTime(row.from, zone),
  expireTime: until(row, zone),
})

export const viewComplaint: View = (row, zone) => ({
  email: row.address ?? '',
  reason: row.reason,
  spamReportedTime: formatTime(row.from, zone),
  domain: row.domain,
})

/** The operation's old name has `receiver` for `email`. */
export const viewSpamReported: View = (row, zone) => ({
  receiver: row.address ?? '',
  reason: row.reason,
  spamReportedTime: formatTime(row.from, zone),
  domain: row.domain,
})

export const viewUnsubscribe: View = (row, zone) => ({
  ...unsubscribeOf(row, zone),
  unsubscribeType: row.unsubscribeType ?? 0,
  unsubscribeTypeDesc: UNSUBSCRIBE_WORDS[row.unsubscribeType ?? 0],
})

function unsubscribeOf(row: SuppressionRow, zone: string): object {
  return {
    email: row.address ?? '',
    domain: row.domain,
    labelId: row.labelId ?? 0,
    apiUser: row.apiUser ?? '',
    unsubscribeTime: formatTime(row.from, zone),
  }
}

type Asked = { readonly ok: true; readonly query: SuppressionQuery } | { readonly ok: false; readonly code: VendorCode }

/** Email, window, filters and paging in the order in which they are refused. */
async function readQuery(call: Call, list: ListName): Promise<Asked> {
  const { bag, settings, now } = call
  const named = readParameters({ email: emailRow(null) }, bag)
  if (!named.ok) return named
  const { email } = named.values
  const window = readWindow(bag, { mostDays: WINDOW_DAYS, zone: settings.zone, now })
  // The window does not count beside an email, a wrong one neither.
  if (email === null && !window.ok) return window
  const span = email === null && window.ok ? window.span : null
  if (email === null && span === null) return { ok: false, code: 40006 }
  return readRest(call, { list, email, from: span?.from ?? null, until: span?.until ?? null })
}

async function readRest(call: Call, first: Pick<SuppressionQuery, 'list' | 'email' | 'from' | 'until'>): Promise<Asked> {
  const rest = readParameters({ ...FILTERS, ...PAGING }, call.bag)
  if (!rest.ok) return rest
  const { start, limit, apiUsers } = rest.values
  const labelIds = await labelsAsked(call, rest.values)
  return { ok: true, query: { ...first, apiUsers, labelIds, onlyInForce: true, after: null, offset: start, limit } }
}

/** `<list>/list`. */
export function listOperation(list: ListName, view: View): Operation {
  return async (call) => {
    const asked = await readQuery(call, list)
    if (!asked.ok) return envelope(asked.code)
    const { rows } = await call.desk.suppressions(call.by.account, asked.query)
    return envelope(200, { dataList: rows.map((row) => view(row, call.settings.zone)), count: rows.length })
  }
}

/** `<list>/count`. */
export function countOperation(list: ListName): Operation {
  return async (call) => {
    const asked = await readQuery(call, list)
    return asked.ok ? envelope(200, { count: await call.desk.countSuppressions(call.by.account, asked.query) }) : envelope(asked.code)
  }
}

/** `<list>/delete`, with the vendor's own code for a deletion where it has one. */
export function deleteOperation(list: ListName, done: VendorCode): Operation {
  return async (call) => {
    const asked = await readQuery(call, list)
    return asked.ok ? envelope(done, { count: await call.desk.removeSuppressions(call.by, asked.query) }) : envelope(asked.code)
  }
}

/** `unsubscribe/add`. */
export const addUnsubscribe: Operation = async ({ bag, by, desk, settings }) => {
  const read = readParameters({ email: emailRow(40011) }, bag)
  if (!read.ok) return envelope(read.code)
  if (read.values.email === null) return envelope(40011)
  const row = await desk.addUnsubscribe(by, read.values.email, 0)
  return envelope(40401, { data: unsubscribeOf(row, settings.zone) })
}

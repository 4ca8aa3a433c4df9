/**
 * lists - bounces, complaints, unsubscribes, blocks and no_interceptions as EngageLab writes them
 *
 * A window of at most three months; beside an address it does not count, and without either all is listed. What is deleted must be named, by
 * address or by window.
 *
 * See also: http/sendcloud/lists, http/sendcloud/block-allow (the other face), service/lists/lists, service/lists/block-allow.
 */
import type { ListName } from '../../ledger/facts/fact.ts'
import type { SuppressionRow } from '../../ledger/project/state.ts'
import type { EntryCall } from '../../service/lists/block-allow.ts'
import type { SuppressionQuery } from '../services.ts'
import type { Parameter } from '../sendcloud/parameters.ts'
import { readParameters } from '../sendcloud/parameters.ts'
import { formatTime, parseTime } from '../sendcloud/zoned-time.ts'
import type { Call, Listed, Operation, Refused } from './operation.ts'
import { EMAIL, EMAIL_LIST, EMAIL_OR_DOMAIN, pageOf, SCOPE, USERS, windowOf } from './filters.ts'

type View = (row: SuppressionRow, zone: string) => object

const endOf = ({ until }: SuppressionRow, zone: string): string => (until === null ? '' : formatTime(until, zone))

/** How each list writes a row. */
const VIEWS = {
  bounce: (row, zone) => ({
    email: row.address ?? '',
    reason: row.reason,
    bounce_time: formatTime(row.from, zone),
    expire_time: endOf(row, zone),
  }),
  complaint: (row, zone) => ({
    email: row.address ?? '',
    reason: row.reason,
    complaint_time: formatTime(row.from, zone),
    expire_time: endOf(row, zone),
  }),
  unsubscribe: (row, zone) => ({
    email: row.address ?? '',
    api_user: row.apiUser ?? '',
    type: row.unsubscribeType ?? 0,
    unsubscribe_time: formatTime(row.from, zone),
    expire_time: endOf(row, zone),
  }),
  block: (row, zone) => ({ ...entryOf(row), create_time: formatTime(row.from, zone), expire_time: endOf(row, zone) }),
  allow: (row, zone) => ({ ...entryOf(row), create_time: formatTime(row.from, zone) }),
} as const satisfies Record<ListName, View>

const entryOf = (row: SuppressionRow): object => ({
  api_user: row.scope === '' ? 'all' : row.scope,
  email_or_domain: row.isDomain ? row.domain : (row.address ?? ''),
})

const ALL = { email: null, apiUsers: null, labelIds: null, onlyInForce: true, after: null } as const

async function listed(call: Call, query: Omit<SuppressionQuery, 'offset' | 'limit'>): Promise<Listed | Refused> {
  const page = pageOf(call)
  if ('code' in page) return page
  const { desk, by, settings } = call
  const asked = { ...query, ...page }
  const [{ rows }, total] = await Promise.all([desk.suppressions(by.account, asked), desk.countSuppressions(by.account, asked)])
  const view: View = VIEWS[query.list]
  return { result: rows.map((row) => view(row, settings.zone)), count: rows.length, total }
}

/** Address and window of a call on one of the lists of addresses. */
function askedOf(call: Call, list: ListName): Omit<SuppressionQuery, 'offset' | 'limit'> | Refused {
  const read = readParameters({ email: EMAIL, apiUsers: USERS }, call.bag)
  if (!read.ok) return { code: read.code }
  const { email, apiUsers } = read.values
  // The window does not count beside an email, a wrong one neither.
  const window = email === null ? windowOf(call) : { span: null }
  if ('code' in window) return window
  const isScoped = list === 'unsubscribe' ? { apiUsers } : {}
  return { ...ALL, list, email, ...isScoped, from: window.span?.from ?? null, until: window.span?.until ?? null }
}

/** `GET` of bounces, complaints and unsubscribes. */
export function listOperation(list: 'bounce' | 'complaint' | 'unsubscribe'): Operation {
  return async (call) => {
    const asked = askedOf(call, list)
    return 'code' in asked ? asked : listed(call, asked)
  }
}

/** `DELETE` of complaints and unsubscribes: by address, or by window. */
export function deleteOperation(list: 'complaint' | 'unsubscribe'): Operation {
  return async (call) => {
    const asked = askedOf(call, list)
    if ('code' in asked) return asked
    if (asked.email === null && asked.from === null) return { code: 40011 }
    return gone(await call.desk.removeSuppressions(call.by, { ...asked, offset: 0, limit: 1 }))
  }
}

const gone = (count: number): Listed => ({ result: [], count, total: count })

/** `POST /v1/unsubscribes`. */
export const addUnsubscribes: Operation = async (call) => {
  const read = readParameters({ emails: EMAIL_LIST }, call.bag)
  if (!read.ok) return { code: read.code }
  const { emails } = read.values
  if (emails === null) return { code: 40011 }
  const rows: SuppressionRow[] = []
  for (const email of emails) rows.push(await call.desk.addUnsubscribe(call.by, email, 0))
  return { result: rows.map((row) => VIEWS.unsubscribe(row, call.settings.zone)), count: rows.length, total: rows.length }
}

/** `GET` of blocks and no_interceptions: all of them, or those of one address or domain. */
export function listEntries(list: EntryCall['list']): Operation {
  return async (call) => {
    const read = readParameters({ targets: EMAIL_OR_DOMAIN, scope: SCOPE }, call.bag)
    if (!read.ok) return { code: read.code }
    const { targets, scope } = read.values
    const [email = null] = targets?.emails ?? []
    const [domain = null] = email === null ? (targets?.domains ?? []) : []
    const window = targets === null ? windowOf(call) : { span: null }
    if ('code' in window) return window
    return listed(call, { ...ALL, list, email, domain, scope, from: window.span?.from ?? null, until: window.span?.until ?? null })
  }
}

const END: Parameter<string> = { names: ['expire_time'], empty: null, invalid: 40008, read: (text) => text, absent: '' }

/** Whom a call on entries names, and for which API user. */
async function namedOf({ bag, by, desk }: Call, list: EntryCall['list']): Promise<EntryCall | Refused> {
  const read = readParameters({ targets: { ...EMAIL_OR_DOMAIN, empty: 40011 }, scope: SCOPE }, bag)
  if (!read.ok) return { code: read.code }
  const { targets, scope } = read.values
  // An entry for a user that the account has not would hold for nobody, and look as if it held.
  if (scope !== null && scope !== '' && (await desk.profile(by.account))?.apiUsers.includes(scope) !== true) return { code: 40016 }
  return { list, scope: scope ?? '', emails: targets?.emails ?? [], domains: targets?.domains ?? [] }
}

/** `POST` of blocks and no_interceptions: the entries that are new. */
export function addEntries(list: EntryCall['list']): Operation {
  return async (call) => {
    const named = await namedOf(call, list)
    if ('code' in named) return named
    const end = readParameters({ end: END }, call.bag)
    const text = list === 'block' && end.ok ? end.values.end : ''
    const until = text === '' ? null : parseTime(text, call.settings.zone)
    if (text !== '' && (until === null || until <= call.now)) return { code: 40008 }
    const rows = await call.desk.addEntries(call.by, { ...named, until })
    return { result: rows.map((row) => VIEWS[list](row, call.settings.zone)), count: rows.length, total: rows.length }
  }
}

/** `DELETE` of blocks and no_interceptions. */
export function dropEntries(list: EntryCall['list']): Operation {
  return async (call) => {
    const named = await namedOf(call, list)
    return 'code' in named ? named : gone(await call.desk.dropEntries(call.by, named))
  }
}

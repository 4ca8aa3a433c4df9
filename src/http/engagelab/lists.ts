/**
 * lists - bounces, complaints, unsubscribes, blocks and no_interceptions as EngageLab writes them
 *
 * A window of at most three months; beside an address it does not count, and without either all is listed. What is deleted must be named, by
 * address or by window.
 *
 * See also: http/sendcloud/lists, http/sendcloud/block-allow (the other face), service/lists/lists, service/lists/block-allow.
 */
import type { ListName } from '../../ledger/facts/list-facts.ts'
import type { SuppressionRow } from '../../ledger/project/state.ts'
import type { EntrySelection } from '../../service/lists/block-allow.ts'
import type { SuppressionQuery } from '../services.ts'
import type { Parameter } from '../sendcloud/parameters.ts'
import { readParameters } from '../sendcloud/parameters.ts'
import { formatTime, parseTime } from '../sendcloud/zoned-time.ts'
import type { EngageLabOperationContext, EngageLabListResponse, EngageLabOperation, EngageLabRefusal } from './operation.ts'
import {
  ENGAGELAB_EMAIL,
  ENGAGELAB_EMAILS,
  ENGAGELAB_EMAIL_OR_DOMAIN,
  readEngageLabPaging,
  ENGAGELAB_SCOPE,
  ENGAGELAB_API_USERS,
  readEngageLabWindow,
} from './filters.ts'

type SuppressionRowFormatter = (row: SuppressionRow, zone: string) => object

const formatExpiry = ({ until }: SuppressionRow, zone: string): string => (until === null ? '' : formatTime(until, zone))

/** How each list writes a row. */
const ROW_FORMATTERS = {
  bounce: (row, zone) => ({
    email: row.address ?? '',
    reason: row.reason,
    bounce_time: formatTime(row.from, zone),
    expire_time: formatExpiry(row, zone),
  }),
  complaint: (row, zone) => ({
    email: row.address ?? '',
    reason: row.reason,
    complaint_time: formatTime(row.from, zone),
    expire_time: formatExpiry(row, zone),
  }),
  unsubscribe: (row, zone) => ({
    email: row.address ?? '',
    api_user: row.apiUser ?? '',
    type: row.unsubscribeType ?? 0,
    unsubscribe_time: formatTime(row.from, zone),
    expire_time: formatExpiry(row, zone),
  }),
  block: (row, zone) => ({ ...toEntryFields(row), create_time: formatTime(row.from, zone), expire_time: formatExpiry(row, zone) }),
  allow: (row, zone) => ({ ...toEntryFields(row), create_time: formatTime(row.from, zone) }),
} as const satisfies Record<ListName, SuppressionRowFormatter>

const toEntryFields = (row: SuppressionRow): object => ({
  api_user: row.scope === '' ? 'all' : row.scope,
  email_or_domain: row.isDomain ? row.domain : (row.address ?? ''),
})

const NO_FILTERS = { email: null, apiUsers: null, labelIds: null, onlyInForce: true, after: null } as const

async function listSuppressionRows(
  context: EngageLabOperationContext,
  query: Omit<SuppressionQuery, 'offset' | 'limit'>,
): Promise<EngageLabListResponse | EngageLabRefusal> {
  const paging = readEngageLabPaging(context)
  if ('code' in paging) return paging
  const { services, caller, settings } = context
  const listQuery = { ...query, ...paging }
  const [{ rows }, total] = await Promise.all([
    services.listSuppressions(caller.account, listQuery),
    services.countSuppressions(caller.account, listQuery),
  ])
  const toRow: SuppressionRowFormatter = ROW_FORMATTERS[query.list]
  return { result: rows.map((row) => toRow(row, settings.zone)), count: rows.length, total }
}

/** Address and window of a call on one of the lists of addresses. */
function readListQuery(context: EngageLabOperationContext, list: ListName): Omit<SuppressionQuery, 'offset' | 'limit'> | EngageLabRefusal {
  const read = readParameters({ email: ENGAGELAB_EMAIL, apiUsers: ENGAGELAB_API_USERS }, context.parameters)
  if (!read.ok) return { code: read.code }
  const { email, apiUsers } = read.values
  // The window does not count beside an email, a wrong one neither.
  const window = email === null ? readEngageLabWindow(context) : { span: null }
  if ('code' in window) return window
  const isScoped = list === 'unsubscribe' ? { apiUsers } : {}
  return { ...NO_FILTERS, list, email, ...isScoped, from: window.span?.from ?? null, until: window.span?.until ?? null }
}

/** `GET` of bounces, complaints and unsubscribes. */
export function createEngageLabListOperation(list: 'bounce' | 'complaint' | 'unsubscribe'): EngageLabOperation {
  return async (context) => {
    const listQuery = readListQuery(context, list)
    return 'code' in listQuery ? listQuery : listSuppressionRows(context, listQuery)
  }
}

/** `DELETE` of complaints and unsubscribes: by address, or by window. */
export function createEngageLabDeleteOperation(list: 'complaint' | 'unsubscribe'): EngageLabOperation {
  return async (context) => {
    const listQuery = readListQuery(context, list)
    if ('code' in listQuery) return listQuery
    if (listQuery.email === null && listQuery.from === null) return { code: 40011 }
    return toRemovalResponse(await context.services.removeSuppressions(context.caller, { ...listQuery, offset: 0, limit: 1 }))
  }
}

const toRemovalResponse = (count: number): EngageLabListResponse => ({ result: [], count, total: count })

/** `POST /v1/unsubscribes`. */
export const addEngageLabUnsubscribes: EngageLabOperation = async (context) => {
  const read = readParameters({ emails: ENGAGELAB_EMAILS }, context.parameters)
  if (!read.ok) return { code: read.code }
  const { emails } = read.values
  if (emails === null) return { code: 40011 }
  const rows: SuppressionRow[] = []
  for (const email of emails) rows.push(await context.services.addUnsubscribe(context.caller, email, 0))
  return { result: rows.map((row) => ROW_FORMATTERS.unsubscribe(row, context.settings.zone)), count: rows.length, total: rows.length }
}

/** `GET` of blocks and no_interceptions: all of them, or those of one address or domain. */
export function createListEntriesOperation(list: EntrySelection['list']): EngageLabOperation {
  return async (context) => {
    const read = readParameters({ targets: ENGAGELAB_EMAIL_OR_DOMAIN, scope: ENGAGELAB_SCOPE }, context.parameters)
    if (!read.ok) return { code: read.code }
    const { targets, scope } = read.values
    const [email = null] = targets?.emails ?? []
    const [domain = null] = email === null ? (targets?.domains ?? []) : []
    const window = targets === null ? readEngageLabWindow(context) : { span: null }
    if ('code' in window) return window
    return listSuppressionRows(context, {
      ...NO_FILTERS,
      list,
      email,
      domain,
      scope,
      from: window.span?.from ?? null,
      until: window.span?.until ?? null,
    })
  }
}

const EXPIRY_PARAMETER: Parameter<string> = {
  names: ['expire_time'],
  missingCode: null,
  invalidCode: 40008,
  read: (text) => text,
  defaultValue: '',
}

/** Whom a call on entries names, and for which API user. */
async function readEntrySelection(
  { parameters, caller, services }: EngageLabOperationContext,
  list: EntrySelection['list'],
): Promise<EntrySelection | EngageLabRefusal> {
  const read = readParameters({ targets: { ...ENGAGELAB_EMAIL_OR_DOMAIN, missingCode: 40011 }, scope: ENGAGELAB_SCOPE }, parameters)
  if (!read.ok) return { code: read.code }
  const { targets, scope } = read.values
  // An entry for a user that the account has not would hold for nobody, and look as if it held.
  if (scope !== null && scope !== '' && (await services.findProfile(caller.account))?.apiUsers.includes(scope) !== true)
    return { code: 40016 }
  return { list, scope: scope ?? '', emails: targets?.emails ?? [], domains: targets?.domains ?? [] }
}

/** `POST` of blocks and no_interceptions: the entries that are new. */
export function createAddEntriesOperation(list: EntrySelection['list']): EngageLabOperation {
  return async (context) => {
    const selection = await readEntrySelection(context, list)
    if ('code' in selection) return selection
    const end = readParameters({ end: EXPIRY_PARAMETER }, context.parameters)
    const text = list === 'block' && end.ok ? end.values.end : ''
    const until = text === '' ? null : parseTime(text, context.settings.zone)
    if (text !== '' && (until === null || until <= context.now)) return { code: 40008 }
    const rows = await context.services.addBlockAllowEntries(context.caller, { ...selection, until })
    return { result: rows.map((row) => ROW_FORMATTERS[list](row, context.settings.zone)), count: rows.length, total: rows.length }
  }
}

/** `DELETE` of blocks and no_interceptions. */
export function createDeleteEntriesOperation(list: EntrySelection['list']): EngageLabOperation {
  return async (context) => {
    const selection = await readEntrySelection(context, list)
    return 'code' in selection ? selection : toRemovalResponse(await context.services.removeBlockAllowEntries(context.caller, selection))
  }
}

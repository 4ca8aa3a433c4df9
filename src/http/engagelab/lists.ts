/**
 * lists - EngageLab's operations on bounces, complaints, unsubscribes, blocks and no_interceptions (allow entries)
 *
 * A request may set a window of at most three months. An address overrides the window; without either, all entries are listed. A deletion must
 * name an address or a window.
 *
 * See also: http/services/suppressions, http/services/block-allow, http/sendcloud/lists, http/sendcloud/block-allow.
 */
import { hash } from 'node:crypto'
import type { ListName } from '../../ledger/facts/list-facts.ts'
import type { SuppressionRow } from '../../ledger/project/state.ts'
import type { EntrySelection } from '../../service/lists/block-allow.ts'
import type { AccountService } from '../services/accounts.ts'
import type { BlockAllowService } from '../services/block-allow.ts'
import type { SuppressionQuery, SuppressionService } from '../services/suppressions.ts'
import type { Parameter } from '../sendcloud/parameters.ts'
import { readParameters } from '../sendcloud/parameters.ts'
import { formatOffsetTime, parseOffsetTime } from '../sendcloud/zoned-time.ts'
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

type ListNeeds = { readonly suppressions: Pick<SuppressionService, 'list' | 'count' | 'remove' | 'addUnsubscribe' | 'describeCauses'> }
type EntryNeeds = ListNeeds & { readonly blockAllow: BlockAllowService; readonly accounts: Pick<AccountService, 'findProfile'> }

/** `reason` is the provider's text. */
type SuppressionRowFormatter = (row: SuppressionRow, zone: string, reason: string) => object

const formatExpiry = ({ until }: SuppressionRow, zone: string): string => (until === null ? '' : formatOffsetTime(until, zone))

/** The format of a row, by list. */
const ROW_FORMATTERS = {
  bounce: (row, zone, reason) => ({
    email: row.address ?? '',
    reason,
    bounce_time: formatOffsetTime(row.from, zone),
    expire_time: formatExpiry(row, zone),
  }),
  complaint: (row, zone, reason) => ({
    email: row.address ?? '',
    reason,
    complaint_time: formatOffsetTime(row.from, zone),
    expire_time: formatExpiry(row, zone),
  }),
  unsubscribe: (row, zone) => ({
    email: row.address ?? '',
    api_user: row.apiUser ?? '',
    type: row.unsubscribeType ?? 0,
    unsubscribe_time: formatOffsetTime(row.from, zone),
    expire_time: formatExpiry(row, zone),
  }),
  block: (row, zone) => ({
    block_id: blockIdOf(row),
    ...toEntryFields(row),
    create_time: formatOffsetTime(row.from, zone),
    expire_time: formatExpiry(row, zone),
  }),
  allow: (row, zone) => ({ ...toEntryFields(row), create_time: formatOffsetTime(row.from, zone) }),
} as const satisfies Record<ListName, SuppressionRowFormatter>

/** A number that stays the same for the address or domain and its API user: 48 bits, which JSON keeps exact. */
const blockIdOf = ({ addressHash, scope }: SuppressionRow): number =>
  Number.parseInt(hash('sha256', `${addressHash}:${scope}`).slice(0, 12), 16)

const toEntryFields = (row: SuppressionRow): object => ({
  api_user: row.scope === '' ? 'all' : row.scope,
  email_or_domain: row.isDomain ? row.domain : (row.address ?? ''),
})

const NO_FILTERS = { email: null, apiUsers: null, labelIds: null, onlyInForce: true, after: null } as const

async function listSuppressionRows(
  context: EngageLabOperationContext<ListNeeds>,
  query: Omit<SuppressionQuery, 'offset' | 'limit'>,
): Promise<EngageLabListResponse | EngageLabRefusal> {
  const paging = readEngageLabPaging(context)
  if ('code' in paging) return paging
  const { services, caller, settings } = context
  const listQuery = { ...query, ...paging }
  const [{ rows }, total] = await Promise.all([
    services.suppressions.list(caller.account, listQuery),
    services.suppressions.count(caller.account, listQuery),
  ])
  const toRow: SuppressionRowFormatter = ROW_FORMATTERS[query.list]
  const causes = await services.suppressions.describeCauses(caller.account, rows)
  return { result: rows.map((row, n) => toRow(row, settings.zone, causes[n] ?? '')), count: rows.length, total }
}

/** Reads the address and the window of a request. */
function readListQuery(context: EngageLabOperationContext, list: ListName): Omit<SuppressionQuery, 'offset' | 'limit'> | EngageLabRefusal {
  const read = readParameters({ email: ENGAGELAB_EMAIL, apiUsers: ENGAGELAB_API_USERS }, context.parameters)
  if (!read.ok) return { code: read.code }
  const { email, apiUsers } = read.values
  // An email overrides the window, even an invalid one.
  const window = email === null ? readEngageLabWindow(context) : { span: null }
  if ('code' in window) return window
  const isScoped = list === 'unsubscribe' ? { apiUsers } : {}
  return { ...NO_FILTERS, list, email, ...isScoped, from: window.span?.from ?? null, until: window.span?.until ?? null }
}

/** `GET` of bounces, complaints and unsubscribes. */
export function createEngageLabListOperation(list: 'bounce' | 'complaint' | 'unsubscribe'): EngageLabOperation<ListNeeds> {
  return async (context) => {
    const listQuery = readListQuery(context, list)
    return 'code' in listQuery ? listQuery : listSuppressionRows(context, listQuery)
  }
}

/** `DELETE` of complaints and unsubscribes: by address, or by window. */
export function createEngageLabDeleteOperation(list: 'complaint' | 'unsubscribe'): EngageLabOperation<ListNeeds> {
  return async (context) => {
    const listQuery = readListQuery(context, list)
    if ('code' in listQuery) return listQuery
    if (listQuery.email === null && listQuery.from === null) return { code: 40011 }
    return toRemovalResponse(await context.services.suppressions.remove(context.caller, { ...listQuery, offset: 0, limit: 1 }))
  }
}

const toRemovalResponse = (count: number): EngageLabListResponse => ({ result: [], count, total: count })

/** `POST /v1/unsubscribes`. */
export const addEngageLabUnsubscribes: EngageLabOperation<ListNeeds> = async (context) => {
  const read = readParameters({ emails: ENGAGELAB_EMAILS }, context.parameters)
  if (!read.ok) return { code: read.code }
  const { emails } = read.values
  if (emails === null) return { code: 40011 }
  const rows: SuppressionRow[] = []
  for (const email of emails) rows.push(await context.services.suppressions.addUnsubscribe(context.caller, email, 0))
  return { result: rows.map((row) => ROW_FORMATTERS.unsubscribe(row, context.settings.zone)), count: rows.length, total: rows.length }
}

/** `GET` of blocks and no_interceptions: all entries, or those of one address or domain. */
export function createListEntriesOperation(list: 'block' | 'allow'): EngageLabOperation<EntryNeeds> {
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

/** Reads the addresses, the domains and the API user of a request. */
async function readEntrySelection(
  { parameters, caller, services }: EngageLabOperationContext<EntryNeeds>,
  list: 'block' | 'allow',
): Promise<EntrySelection | EngageLabRefusal> {
  const read = readParameters(
    { targets: { ...ENGAGELAB_EMAIL_OR_DOMAIN, missingCode: 40011 as const }, scope: ENGAGELAB_SCOPE },
    parameters,
  )
  if (!read.ok) return { code: read.code }
  const { targets, scope } = read.values
  // An entry for an unknown API user would have no effect, but would look as if it had.
  if (scope !== null && scope !== '' && (await services.accounts.findProfile(caller.account))?.apiUsers.includes(scope) !== true)
    return { code: 40016 }
  return { list, scope: scope ?? '', emails: targets?.emails ?? [], domains: targets?.domains ?? [] }
}

/** `POST` of blocks and no_interceptions: returns the new entries. */
export function createAddEntriesOperation(list: 'block' | 'allow'): EngageLabOperation<EntryNeeds> {
  return async (context) => {
    const selection = await readEntrySelection(context, list)
    if ('code' in selection) return selection
    const end = readParameters({ end: EXPIRY_PARAMETER }, context.parameters)
    const text = list === 'block' && end.ok ? end.values.end : ''
    const until = text === '' ? null : parseOffsetTime(text, context.settings.zone)
    if (text !== '' && (until === null || until <= context.now)) return { code: 40008 }
    const rows = await context.services.blockAllow.add(context.caller, { ...selection, until })
    return { result: rows.map((row) => ROW_FORMATTERS[list](row, context.settings.zone)), count: rows.length, total: rows.length }
  }
}

/** `DELETE` of blocks and no_interceptions. */
export function createDeleteEntriesOperation(list: 'block' | 'allow'): EngageLabOperation<EntryNeeds> {
  return async (context) => {
    const selection = await readEntrySelection(context, list)
    return 'code' in selection ? selection : toRemovalResponse(await context.services.blockAllow.remove(context.caller, selection))
  }
}

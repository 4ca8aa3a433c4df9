/**
 * block-allow - the vendor's operations on blocks and on addresses that are not intercepted: list, add, delete
 *
 * An entry is of an address or of a whole domain, for one API user or for all; naming both an address and a domain makes two. What stands
 * already is not counted again. `all` in any case is every API user.
 *
 * See also: service/lists/block-allow, ledger/suppress/suppression (what they answer), docs/SENDCLOUD.md.
 */
import type { SuppressionRow } from '../../ledger/project/state.ts'
import type { EntrySelection } from '../../service/lists/block-allow.ts'
import type { SendCloudOperationContext, SendCloudOperation } from './operation.ts'
import { createEnvelope } from './envelope.ts'
import type { SendCloudCode } from './envelope.ts'
import { DOMAIN_NAMES, EMAILS, createEmailParameter, SENDCLOUD_PAGING, MAX_WINDOW_DAYS } from './filters.ts'
import type { Parameter } from './parameters.ts'
import { readParameters } from './parameters.ts'
import { formatTime, parseTime } from './zoned-time.ts'
import type { DayRange } from './zoned-time.ts'
import { readWindow } from './window.ts'

/** What tells the two lists apart at the door: the parameter that names the API user, and how a row is written. */
type EntryListFormat = {
  readonly list: EntrySelection['list']
  readonly apiUserParameter: Parameter<string | null>
  readonly toRow: (row: SuppressionRow, zone: string) => object
}

const createApiUserParameter = (name: string): Parameter<string | null> => ({
  names: [name],
  missingCode: null,
  invalidCode: 40016,
  read: (text) => (/^all$/i.test(text) ? '' : /^[\w.@-]{1,64}$/.test(text) ? text : null),
  defaultValue: null,
})

const formatScope = (scope: string): string => (scope === '' ? 'all' : scope)

/** An entry of a domain has no email, one of an address no domain. */
const formatTarget = (row: SuppressionRow): object => ({ domain: row.isDomain ? row.domain : '', email: row.address ?? '' })

const BLOCK_FORMAT: EntryListFormat = {
  list: 'block',
  apiUserParameter: createApiUserParameter('apiUserBlock'),
  toRow: (row, zone) => ({
    apiUserBlock: formatScope(row.scope),
    ...formatTarget(row),
    createTime: formatTime(row.from, zone),
    expireTime: row.until === null ? '' : formatTime(row.until, zone),
  }),
}

const ALLOW_FORMAT: EntryListFormat = {
  list: 'allow',
  apiUserParameter: createApiUserParameter('apiUserName'),
  toRow: (row, zone) => ({ apiUserName: formatScope(row.scope), ...formatTarget(row), createTime: formatTime(row.from, zone) }),
}

const DOMAIN_PARAMETER: Parameter<string | null> = {
  ...DOMAIN_NAMES,
  read: (text) => DOMAIN_NAMES.read(text)?.[0] ?? null,
  defaultValue: null,
}

type EntryFilters = {
  readonly email: string | null
  readonly domain: string | null
  readonly scope: string | null
  readonly range: DayRange | null
}

async function respondWithEntries(
  { parameters, caller, services, settings }: SendCloudOperationContext,
  format: EntryListFormat,
  filters: EntryFilters,
): Promise<ReturnType<typeof createEnvelope>> {
  const paging = readParameters(SENDCLOUD_PAGING, parameters)
  if (!paging.ok) return createEnvelope(paging.code)
  const { rows } = await services.listSuppressions(caller.account, {
    list: format.list,
    email: filters.email,
    domain: filters.domain,
    scope: filters.scope,
    from: filters.range?.from ?? null,
    until: filters.range?.until ?? null,
    apiUsers: null,
    labelIds: null,
    onlyInForce: true,
    after: null,
    offset: paging.values.start,
    limit: paging.values.limit,
  })
  return createEnvelope(200, { dataList: rows.map((row) => format.toRow(row, settings.zone)), count: rows.length })
}

/** `block/list`: a window, or an email, which makes it moot. */
export const listSendCloudBlocks: SendCloudOperation = async (context) => {
  const { parameters, settings, now } = context
  const read = readParameters(
    { scope: BLOCK_FORMAT.apiUserParameter, domain: DOMAIN_PARAMETER, email: createEmailParameter(null) },
    parameters,
  )
  if (!read.ok) return createEnvelope(read.code)
  if (read.values.email !== null) return respondWithEntries(context, BLOCK_FORMAT, { ...read.values, range: null })
  const window = readWindow(parameters, { maxDays: MAX_WINDOW_DAYS, zone: settings.zone, now })
  if (!window.ok) return createEnvelope(window.code)
  return window.range === null ? createEnvelope(40006) : respondWithEntries(context, BLOCK_FORMAT, { ...read.values, range: window.range })
}

/** `unintercept/list`: no window. */
export const listSendCloudAllowed: SendCloudOperation = async (context) => {
  const read = readParameters(
    { scope: ALLOW_FORMAT.apiUserParameter, domain: DOMAIN_PARAMETER, email: createEmailParameter(null) },
    context.parameters,
  )
  return read.ok ? respondWithEntries(context, ALLOW_FORMAT, { ...read.values, range: null }) : createEnvelope(read.code)
}

type EntrySelectionResult = { readonly ok: true; readonly selection: EntrySelection } | { readonly ok: false; readonly code: SendCloudCode }

/** Whom a call names, and for which API user; null: it says none. */
async function readEntrySelection(
  { parameters, caller, services }: SendCloudOperationContext,
  { list, apiUserParameter }: EntryListFormat,
): Promise<EntrySelectionResult> {
  const read = readParameters({ scope: apiUserParameter, emails: EMAILS, domains: DOMAIN_NAMES }, parameters)
  if (!read.ok) return read
  const { scope, emails, domains } = read.values
  if (emails === null && domains === null) return { ok: false, code: 40011 }
  // An entry for a user that the account has not would hold for nobody, and look as if it held.
  if (scope !== null && scope !== '' && (await services.findProfile(caller.account))?.apiUsers.includes(scope) !== true)
    return { ok: false, code: 40016 }
  return { ok: true, selection: { list, scope, emails: emails ?? [], domains: domains ?? [] } }
}

/** The end of a block; one that has passed already is as wrong as one that is none. */
function readExpiry({
  parameters,
  settings,
  now,
}: SendCloudOperationContext): { readonly ok: true; readonly until: number | null } | { readonly ok: false } {
  const text = parameters.get('expireTime')?.trim() ?? ''
  if (text === '') return { ok: true, until: null }
  const until = parseTime(text, settings.zone)
  return until === null || until <= now ? { ok: false } : { ok: true, until }
}

/** `block/add`: for ever, unless `expireTime` says till when. */
export const addSendCloudBlocks: SendCloudOperation = async (context) => {
  const selected = await readEntrySelection(context, BLOCK_FORMAT)
  if (!selected.ok) return createEnvelope(selected.code)
  const expiry = readExpiry(context)
  if (!expiry.ok) return createEnvelope(40008, {}, 'expireTime is invalid, the form is yyyy-MM-dd HH:mm:ss, and it lies ahead')
  const added = await context.services.addBlockAllowEntries(context.caller, {
    ...selected.selection,
    scope: selected.selection.scope ?? '',
    until: expiry.until,
  })
  return createEnvelope(200, { addSuccessCount: added.length })
}

/** `block/delete`: of the API user that is named, else of all. */
export const deleteSendCloudBlocks: SendCloudOperation = async (context) => {
  const selected = await readEntrySelection(context, BLOCK_FORMAT)
  return selected.ok
    ? createEnvelope(200, { deleteSuccessCount: await context.services.removeBlockAllowEntries(context.caller, selected.selection) })
    : createEnvelope(selected.code)
}

/** `unintercept/add`; its `dataList` are the entries that are new. */
export const addSendCloudAllowed: SendCloudOperation = async (context) => {
  const selected = await readEntrySelection(context, ALLOW_FORMAT)
  if (!selected.ok) return createEnvelope(selected.code)
  const added = await context.services.addBlockAllowEntries(context.caller, {
    ...selected.selection,
    scope: selected.selection.scope ?? '',
    until: null,
  })
  return createEnvelope(200, { dataList: added.map((row) => ALLOW_FORMAT.toRow(row, context.settings.zone)), count: added.length })
}

/** `unintercept/delete`: of the API user that is named, else those that hold for all. */
export const deleteSendCloudAllowed: SendCloudOperation = async (context) => {
  const selected = await readEntrySelection(context, ALLOW_FORMAT)
  if (!selected.ok) return createEnvelope(selected.code)
  return createEnvelope(200, {
    count: await context.services.removeBlockAllowEntries(context.caller, { ...selected.selection, scope: selected.selection.scope ?? '' }),
  })
}

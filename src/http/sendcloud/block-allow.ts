/**
 * block-allow - SendCloud's `block` and `unintercept` operations: list, add and delete block and allow entries
 *
 * An entry is for an address or for a whole domain, and for one API user or for all. A request that names an address and a domain creates two
 * entries. An entry that already exists is not counted. `all`, in any case, means every API user.
 *
 * See also: http/services/block-allow, ledger/suppress/suppression (the effect of the entries), docs/SENDCLOUD.md.
 */
import type { SuppressionRow } from '../../ledger/project/state.ts'
import type { EntrySelection } from '../../service/lists/block-allow.ts'
import type { AccountService } from '../services/accounts.ts'
import type { BlockAllowService } from '../services/block-allow.ts'
import type { SuppressionService } from '../services/suppressions.ts'
import type { SendCloudOperationContext, SendCloudOperation } from './operation.ts'
import { createEnvelope } from './envelope.ts'
import type { SendCloudCode } from './envelope.ts'
import { DOMAIN_NAMES, EMAILS, createEmailParameter, SENDCLOUD_PAGING, MAX_WINDOW_DAYS } from './filters.ts'
import type { Parameter } from './parameters.ts'
import { readParameters } from './parameters.ts'
import { formatTime, parseTime } from './zoned-time.ts'
import type { DayRange } from './zoned-time.ts'
import { readWindow } from './window.ts'

type BlockAllowNeeds = {
  readonly suppressions: Pick<SuppressionService, 'list'>
  readonly blockAllow: BlockAllowService
  readonly accounts: Pick<AccountService, 'findProfile'>
}

/** How the two lists differ in the API: the parameter that names the API user, and the fields of a row. */
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

/** A domain entry has no email, and an address entry has no domain. */
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
  { parameters, caller, services, settings }: SendCloudOperationContext<BlockAllowNeeds>,
  format: EntryListFormat,
  filters: EntryFilters,
): Promise<ReturnType<typeof createEnvelope>> {
  const paging = readParameters(SENDCLOUD_PAGING, parameters)
  if (!paging.ok) return createEnvelope(paging.code)
  const { rows } = await services.suppressions.list(caller.account, {
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

/** `block/list`: by window, or by email, which overrides the window. */
export const listSendCloudBlocks: SendCloudOperation<BlockAllowNeeds> = async (context) => {
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

/** `unintercept/list`: takes no window. */
export const listSendCloudAllowed: SendCloudOperation<BlockAllowNeeds> = async (context) => {
  const read = readParameters(
    { scope: ALLOW_FORMAT.apiUserParameter, domain: DOMAIN_PARAMETER, email: createEmailParameter(null) },
    context.parameters,
  )
  return read.ok ? respondWithEntries(context, ALLOW_FORMAT, { ...read.values, range: null }) : createEnvelope(read.code)
}

type EntrySelectionResult = { readonly ok: true; readonly selection: EntrySelection } | { readonly ok: false; readonly code: SendCloudCode }

/** Reads the addresses, the domains and the API user of a request; `scope` is null if the request names no API user. */
async function readEntrySelection(
  { parameters, caller, services }: SendCloudOperationContext<BlockAllowNeeds>,
  { list, apiUserParameter }: EntryListFormat,
): Promise<EntrySelectionResult> {
  const read = readParameters({ scope: apiUserParameter, emails: EMAILS, domains: DOMAIN_NAMES }, parameters)
  if (!read.ok) return read
  const { scope, emails, domains } = read.values
  if (emails === null && domains === null) return { ok: false, code: 40011 }
  // An entry for an unknown API user would have no effect, but would look as if it had.
  if (scope !== null && scope !== '' && (await services.accounts.findProfile(caller.account))?.apiUsers.includes(scope) !== true)
    return { ok: false, code: 40016 }
  return { ok: true, selection: { list, scope, emails: emails ?? [], domains: domains ?? [] } }
}

/** Reads the expiry of a block. A time in the past is as invalid as one that cannot be parsed. */
function readExpiry({
  parameters,
  settings,
  now,
}: SendCloudOperationContext<BlockAllowNeeds>): { readonly ok: true; readonly until: number | null } | { readonly ok: false } {
  const text = parameters.get('expireTime')?.trim() ?? ''
  if (text === '') return { ok: true, until: null }
  const until = parseTime(text, settings.zone)
  return until === null || until <= now ? { ok: false } : { ok: true, until }
}

/** `block/add`: the entry does not expire unless `expireTime` is set. */
export const addSendCloudBlocks: SendCloudOperation<BlockAllowNeeds> = async (context) => {
  const selected = await readEntrySelection(context, BLOCK_FORMAT)
  if (!selected.ok) return createEnvelope(selected.code)
  const expiry = readExpiry(context)
  if (!expiry.ok)
    return createEnvelope(40008, {}, 'expireTime is invalid; the format is yyyy-MM-dd HH:mm:ss, and the time must be in the future')
  const added = await context.services.blockAllow.add(context.caller, {
    ...selected.selection,
    scope: selected.selection.scope ?? '',
    until: expiry.until,
  })
  return createEnvelope(200, { addSuccessCount: added.length })
}

/** `block/delete`: the entries of the named API user; without a name, the entries of any scope. */
export const deleteSendCloudBlocks: SendCloudOperation<BlockAllowNeeds> = async (context) => {
  const selected = await readEntrySelection(context, BLOCK_FORMAT)
  return selected.ok
    ? createEnvelope(200, { deleteSuccessCount: await context.services.blockAllow.remove(context.caller, selected.selection) })
    : createEnvelope(selected.code)
}

/** `unintercept/add`: `dataList` contains the new entries. */
export const addSendCloudAllowed: SendCloudOperation<BlockAllowNeeds> = async (context) => {
  const selected = await readEntrySelection(context, ALLOW_FORMAT)
  if (!selected.ok) return createEnvelope(selected.code)
  const added = await context.services.blockAllow.add(context.caller, {
    ...selected.selection,
    scope: selected.selection.scope ?? '',
    until: null,
  })
  return createEnvelope(200, { dataList: added.map((row) => ALLOW_FORMAT.toRow(row, context.settings.zone)), count: added.length })
}

/** `unintercept/delete`: the entries of the named API user; without a name, the entries for all API users. */
export const deleteSendCloudAllowed: SendCloudOperation<BlockAllowNeeds> = async (context) => {
  const selected = await readEntrySelection(context, ALLOW_FORMAT)
  if (!selected.ok) return createEnvelope(selected.code)
  return createEnvelope(200, {
    count: await context.services.blockAllow.remove(context.caller, { ...selected.selection, scope: selected.selection.scope ?? '' }),
  })
}

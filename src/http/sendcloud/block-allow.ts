/**
 * block-allow - the vendor's operations on blocks and on addresses that are not intercepted: list, add, delete
 *
 * An entry is of an address or of a whole domain, for one API user or for all; naming both an address and a domain makes two. What stands
 * already is not counted again. `all` in any case is every API user.
 *
 * See also: service/lists/block-allow, ledger/suppress/suppression (what they answer), docs/SENDCLOUD.md.
 */
import type { SuppressionRow } from '../../ledger/project/state.ts'
import type { EntryCall } from '../../service/lists/block-allow.ts'
import type { Call, Operation } from './operation.ts'
import { envelope } from './envelope.ts'
import type { VendorCode } from './envelope.ts'
import { DOMAIN_NAMES, EMAILS, emailRow, PAGING, WINDOW_DAYS } from './filters.ts'
import type { Parameter } from './parameters.ts'
import { readParameters } from './parameters.ts'
import { formatTime, parseTime } from './zoned-time.ts'
import type { Span } from './zoned-time.ts'
import { readWindow } from './window.ts'

/** What tells the two lists apart at the door: the parameter that names the API user, and how a row is written. */
type Door = {
  readonly list: EntryCall['list']
  readonly user: Parameter<string | null>
  readonly view: (row: SuppressionRow, zone: string) => object
}

const userRow = (name: string): Parameter<string | null> => ({
  names: [name],
  empty: null,
  invalid: 40016,
  read: (text) => (/^all$/i.test(text) ? '' : /^[\w.@-]{1,64}$/.test(text) ? text : null),
  absent: null,
})

const nameOf = (scope: string): string => (scope === '' ? 'all' : scope)

/** An entry of a domain has no email, one of an address no domain. */
const namesOf = (row: SuppressionRow): object => ({ domain: row.isDomain ? row.domain : '', email: row.address ?? '' })

const BLOCK: Door = {
  list: 'block',
  user: userRow('apiUserBlock'),
  view: (row, zone) => ({
    apiUserBlock: nameOf(row.scope),
    ...namesOf(row),
    createTime: formatTime(row.from, zone),
    expireTime: row.until === null ? '' : formatTime(row.until, zone),
  }),
}

const ALLOW: Door = {
  list: 'allow',
  user: userRow('apiUserName'),
  view: (row, zone) => ({ apiUserName: nameOf(row.scope), ...namesOf(row), createTime: formatTime(row.from, zone) }),
}

const ONE_DOMAIN: Parameter<string | null> = {
  ...DOMAIN_NAMES,
  read: (text) => DOMAIN_NAMES.read(text)?.[0] ?? null,
  absent: null,
}

type Filters = { readonly email: string | null; readonly domain: string | null; readonly user: string | null; readonly span: Span | null }

async function answerList({ bag, by, desk, settings }: Call, door: Door, filters: Filters): Promise<ReturnType<typeof envelope>> {
  const paging = readParameters(PAGING, bag)
  if (!paging.ok) return envelope(paging.code)
  const { rows } = await desk.suppressions(by.account, {
    list: door.list,
    email: filters.email,
    domain: filters.domain,
    scope: filters.user,
    from: filters.span?.from ?? null,
    until: filters.span?.until ?? null,
    apiUsers: null,
    labelIds: null,
    onlyInForce: true,
    after: null,
    offset: paging.values.start,
    limit: paging.values.limit,
  })
  return envelope(200, { dataList: rows.map((row) => door.view(row, settings.zone)), count: rows.length })
}

/** `block/list`: a window, or an email, which makes it moot. */
export const listBlocks: Operation = async (call) => {
  const { bag, settings, now } = call
  const read = readParameters({ user: BLOCK.user, domain: ONE_DOMAIN, email: emailRow(null) }, bag)
  if (!read.ok) return envelope(read.code)
  if (read.values.email !== null) return answerList(call, BLOCK, { ...read.values, span: null })
  const window = readWindow(bag, { mostDays: WINDOW_DAYS, zone: settings.zone, now })
  if (!window.ok) return envelope(window.code)
  return window.span === null ? envelope(40006) : answerList(call, BLOCK, { ...read.values, span: window.span })
}

/** `unintercept/list`: no window. */
export const listAllowed: Operation = async (call) => {
  const read = readParameters({ user: ALLOW.user, domain: ONE_DOMAIN, email: emailRow(null) }, call.bag)
  return read.ok ? answerList(call, ALLOW, { ...read.values, span: null }) : envelope(read.code)
}

type Named = { readonly ok: true; readonly call: EntryCall } | { readonly ok: false; readonly code: VendorCode }

/** Whom a call names, and for which API user; null: it says none. */
async function readNamed({ bag, by, desk }: Call, { list, user }: Door): Promise<Named> {
  const read = readParameters({ scope: user, emails: EMAILS, domains: DOMAIN_NAMES }, bag)
  if (!read.ok) return read
  const { scope, emails, domains } = read.values
  if (emails === null && domains === null) return { ok: false, code: 40011 }
  // An entry for a user that the account has not would hold for nobody, and look as if it held.
  if (scope !== null && scope !== '' && (await desk.profile(by.account))?.apiUsers.includes(scope) !== true)
    return { ok: false, code: 40016 }
  return { ok: true, call: { list, scope, emails: emails ?? [], domains: domains ?? [] } }
}

/** The end of a block; one that has passed already is as wrong as one that is none. */
function readEnd({ bag, settings, now }: Call): { readonly ok: true; readonly until: number | null } | { readonly ok: false } {
  const text = bag.get('expireTime')?.trim() ?? ''
  if (text === '') return { ok: true, until: null }
  const until = parseTime(text, settings.zone)
  return until === null || until <= now ? { ok: false } : { ok: true, until }
}

/** `block/add`: for ever, unless `expireTime` says till when. */
export const addBlocks: Operation = async (call) => {
  const named = await readNamed(call, BLOCK)
  if (!named.ok) return envelope(named.code)
  const end = readEnd(call)
  if (!end.ok) return envelope(40008, {}, 'expireTime is invalid, the form is yyyy-MM-dd HH:mm:ss, and it lies ahead')
  const added = await call.desk.addEntries(call.by, { ...named.call, scope: named.call.scope ?? '', until: end.until })
  return envelope(200, { addSuccessCount: added.length })
}

/** `block/delete`: of the API user that is named, else of all. */
export const deleteBlocks: Operation = async (call) => {
  const named = await readNamed(call, BLOCK)
  return named.ok ? envelope(200, { deleteSuccessCount: await call.desk.dropEntries(call.by, named.call) }) : envelope(named.code)
}

/** `unintercept/add`; its `dataList` are the entries that are new. */
export const addAllowed: Operation = async (call) => {
  const named = await readNamed(call, ALLOW)
  if (!named.ok) return envelope(named.code)
  const added = await call.desk.addEntries(call.by, { ...named.call, scope: named.call.scope ?? '', until: null })
  return envelope(200, { dataList: added.map((row) => ALLOW.view(row, call.settings.zone)), count: added.length })
}

/** `unintercept/delete`: of the API user that is named, else those that hold for all. */
export const deleteAllowed: Operation = async (call) => {
  const named = await readNamed(call, ALLOW)
  if (!named.ok) return envelope(named.code)
  return envelope(200, { count: await call.desk.dropEntries(call.by, { ...named.call, scope: named.call.scope ?? '' }) })
}

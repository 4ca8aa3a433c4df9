/**
 * suppression-entry - one address or domain on one list: read it with its history, put it there, take it off
 *
 * An account sees and changes its own lists only; the list that the operator shares between accounts is no list of an account.
 *
 * See also: http/api/suppressions/suppression-entries (many at once), service/lists/address-entries.
 */
import { z } from 'zod'
import { Fault } from '../../../errors.ts'
import { LIST_NAMES } from '../../../ledger/facts/list-facts.ts'
import { selectTarget, type AddressEntries, type EntryChange } from '../../../service/lists/address-entries.ts'
import type { BlockAllowService } from '../../services/block-allow.ts'
import type { SuppressionService } from '../../services/suppressions.ts'
import type { Authorizer } from '../../server/authorize.ts'
import { toIsoTimestamp } from '../../server/fact-view.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { operatorQuery, strictObject } from '../../server/schemas.ts'
import { entryNote } from './suppression-entries.ts'
import { entryView, toEntryView } from './suppressions.ts'

type SuppressionEntryDependencies = {
  readonly suppressions: Pick<SuppressionService, 'findEntries'>
  readonly blockAllow: BlockAllowService
  readonly authorizer: Authorizer
  readonly now: () => number
}

const changeView = z.object({
  at: z.string(),
  action: z.string().describe('`add`, `remove`, or `hold`, `apply` and `discard` of the mass-bounce guard'),
  scope: z.string(),
  actor: z.string().nullable().describe('Who made the change; null if a report or a reply made it'),
  note: z.string().nullable().describe('Why, in the words of the actor'),
  reason: z.string(),
  until: z.string().nullable(),
})

const addressView = z.object({
  list: z.enum(LIST_NAMES),
  address: z.string().nullable().describe('The address in its normal form; null for a whole domain'),
  domain: z.string(),
  entries: z.array(entryView).describe('One for each scope'),
  changes: z.array(changeView).describe('Who changed the entries, when and why; the newest first, at most 100'),
})

const params = z.object({
  list: z.enum(LIST_NAMES),
  address: z.string().min(1).max(1_000).describe('An address, percent-encoded, or a whole domain'),
})
const tags = ['suppressions']
const scope = z.string().max(255).optional().describe('An API user, on the unsubscribe list a label; without it, every scope')
const selectionQuery = strictObject({ ...operatorQuery, scope })

/** The routes. */
export function addSuppressionEntryRoute(server: HttpServer, dependencies: SuppressionEntryDependencies): void {
  const { suppressions, blockAllow, authorizer } = dependencies
  const read = {
    summary: 'Read one address on a list, with who changed it',
    tags,
    params,
    querystring: selectionQuery,
    response: { 200: addressView },
  }
  server.get('/v1/suppressions/:list/:address', { schema: read }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const { list, address } = request.params
    return toAddressView(list, await requireEntries(suppressions, account, { list, text: address, scope: request.query.scope ?? null }))
  })
  addPutRoute(server, dependencies)
  const remove = {
    summary: 'Take one address off a list',
    tags,
    params,
    querystring: strictObject({ ...operatorQuery, scope, note: entryNote }),
    response: { 204: z.null() },
  }
  server.delete('/v1/suppressions/:list/:address', { schema: remove }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    const { list, address } = request.params
    const { note, scope: only = null } = request.query
    await requireEntries(suppressions, caller.account, { list, text: address, scope: only })
    await blockAllow.remove(caller, { list, scope: only, ...selectTarget(address), ...(note === undefined ? {} : { note }) })
    return reply.code(204).send(null)
  })
}

const putBody = strictObject({
  note: entryNote,
  until: z.iso.datetime({ offset: true }).optional().describe('When the entry ends; without it, it does not'),
})
  .nullish()
  .meta({ examples: [{ note: 'asked by phone' }] })

function addPutRoute(server: HttpServer, { suppressions, blockAllow, authorizer, now }: SuppressionEntryDependencies): void {
  const put = {
    summary: 'Put one address on a list',
    tags,
    params,
    querystring: strictObject({
      ...operatorQuery,
      scope: scope.describe('An API user, on the unsubscribe list a label; without it, the whole account'),
    }),
    body: putBody,
    response: { 200: addressView },
  }
  server.put('/v1/suppressions/:list/:address', { schema: put }, async (request) => {
    const caller = await authorizer.requireAccount(request)
    const { list, address } = request.params
    const { note, until } = request.body ?? {}
    const only = request.query.scope ?? ''
    const end = until === undefined ? null : Date.parse(until)
    if (end !== null && end <= now()) throw new Fault('bad_request', 'until: must be in the future')
    const entry = { list, scope: only, ...selectTarget(address), until: end, ...(note === undefined ? {} : { note }) }
    await blockAllow.add(caller, entry)
    return toAddressView(list, await requireEntries(suppressions, caller.account, { list, text: address, scope: only }))
  })
}

/** Faults: bad_request, not_found. */
async function requireEntries(
  suppressions: SuppressionEntryDependencies['suppressions'],
  account: number,
  query: Parameters<SuppressionService['findEntries']>[1],
): Promise<AddressEntries> {
  const found = await suppressions.findEntries(account, query)
  if (found === null) throw new Fault('not_found', `the address is not on the ${query.list} list`)
  return found
}

function toAddressView(list: (typeof LIST_NAMES)[number], { target, entries, changes }: AddressEntries): z.output<typeof addressView> {
  const { address, domain } = target
  return { list, address, domain, entries: entries.map(toEntryView), changes: changes.map(toChangeView) }
}

function toChangeView({ at, data }: EntryChange): z.output<typeof changeView> {
  const { action, scope: changed, actor, note, reason, until } = data
  return { at: toIsoTimestamp(at), action, scope: changed, actor, note, reason, until: toIsoTimestamp(until) }
}

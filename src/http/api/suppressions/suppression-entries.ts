/**
 * suppression-entries - looks an address up on every list, and adds and removes entries by hand
 *
 * See also: http/api/suppressions/suppressions (one list at a time), service/lists/block-allow.
 */
import { z } from 'zod'
import { LIST_NAMES } from '../../../ledger/facts/list-facts.ts'
import type { BlockAllowService } from '../../services/block-allow.ts'
import type { SuppressionService } from '../../services/suppressions.ts'
import type { Authorizer } from '../../server/authorize.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { operatorQuery, strictObject } from '../../server/schemas.ts'
import { entryView, toEntryView } from './suppressions.ts'

type SuppressionEntryDependencies = {
  readonly suppressions: Pick<SuppressionService, 'lookUp'>
  readonly blockAllow: BlockAllowService
  readonly authorizer: Authorizer
}

const MAX_ENTRIES = 1_000

const items = (what: string) => z.array(z.string().min(1).max(1_000)).max(MAX_ENTRIES, `at most ${MAX_ENTRIES} ${what}`).default([])

const selection = { addresses: items('addresses'), domains: items('domains').describe('Whole domains; for the block and allow lists') }

type Selection = { readonly addresses: readonly string[]; readonly domains: readonly string[] }

const isSome = ({ addresses, domains }: Selection): boolean => addresses.length + domains.length > 0

export const entryNote = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .regex(/^\P{Cc}*$/u, 'must not contain control characters')
  .optional()
  .describe('Why. The history of the entry keeps it; of an entry that is added, it is the reason')

const addBody = strictObject({
  ...selection,
  note: entryNote,
  until: z.iso.datetime({ offset: true }).optional().describe('When the entry ends; without it, it does not'),
})
  .refine(isSome, 'name at least one address or domain')
  .meta({ examples: [{ addresses: ['ann@example.org'], note: 'asked by phone' }] })
const removeBody = strictObject({ ...selection, note: entryNote })
  .refine(isSome, 'name at least one address or domain')
  .meta({ examples: [{ addresses: ['ann@example.org'] }] })

const params = z.object({ list: z.enum(LIST_NAMES) })
const tags = ['suppressions']
const querystring = strictObject(operatorQuery)

export function addSuppressionEntryRoutes(
  server: HttpServer,
  { suppressions, blockAllow, authorizer }: SuppressionEntryDependencies,
): void {
  const found = entryView.extend({ emailId: z.string().nullable().describe('The message that caused the entry') })
  const lookUp = {
    summary: 'Look an address up on every list',
    description: 'Returns its entries and those of its domain, in force or not.',
    tags,
    querystring: strictObject({ ...operatorQuery, address: z.string().min(1).max(1_000).describe('An address, or a domain') }),
    response: { 200: z.object({ entries: z.array(found) }) },
  }
  server.get('/v1/suppressions', { schema: lookUp }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const rows = await suppressions.lookUp(account, request.query.address)
    return { entries: rows.map(({ row, emailId }) => ({ ...toEntryView(row), emailId })) }
  })
  addChangeRoutes(server, { blockAllow, authorizer })
}

function addChangeRoutes(server: HttpServer, { blockAllow, authorizer }: Omit<SuppressionEntryDependencies, 'suppressions'>): void {
  const add = {
    summary: 'Add addresses or domains to a list',
    tags,
    params,
    querystring,
    body: addBody,
    response: { 200: z.object({ added: z.int().describe('Entries that are new or have changed'), entries: z.array(entryView) }) },
  }
  server.post('/v1/suppressions/:list/add', { schema: add }, async (request) => {
    const caller = await authorizer.requireAccount(request)
    const { addresses, domains, note, until } = request.body
    const rows = await blockAllow.add(caller, {
      list: request.params.list,
      scope: '',
      emails: addresses,
      domains,
      until: until === undefined ? null : Date.parse(until),
      ...(note === undefined ? {} : { note }),
    })
    return { added: rows.length, entries: rows.map(toEntryView) }
  })
  const remove = {
    summary: 'Remove addresses or domains from a list',
    description: 'On the bounce list this reactivates the address. The entry stays in the history.',
    tags,
    params,
    querystring,
    body: removeBody,
    response: { 200: z.object({ removed: z.int() }) },
  }
  server.post('/v1/suppressions/:list/remove', { schema: remove }, async (request) => {
    const caller = await authorizer.requireAccount(request)
    const { addresses, domains, note } = request.body
    const selected = { list: request.params.list, scope: null, emails: addresses, domains }
    return { removed: await blockAllow.remove(caller, { ...selected, ...(note === undefined ? {} : { note }) }) }
  })
}

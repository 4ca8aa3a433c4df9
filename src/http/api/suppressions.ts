/**
 * suppressions - the lists that say whom not to write to: reading, asking for addresses, lifting a batch
 *
 * See also: ledger/suppress/suppression (ladders), http/sendcloud/lists (the other face).
 */
import { z } from 'zod'
import { LIST_NAMES } from '../../ledger/facts/list-facts.ts'
import type { SuppressionRow } from '../../ledger/project/state.ts'
import { isSuppressionInForce } from '../../store/lists/suppressions.ts'
import type { Services } from '../services.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { Authorizer } from '../server/authorize.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

const timestamp = z.iso.datetime({ offset: true })

const entryView = z.object({
  list: z.enum(LIST_NAMES),
  address: z.string().nullable().describe('Null once the address was erased'),
  addressHash: z.string(),
  domain: z.string(),
  isDomain: z.boolean(),
  scope: z.string().describe('Empty, or a label'),
  reason: z.string(),
  rule: z.string().nullable(),
  site: z.string().nullable(),
  n: z.int().describe('The rung of the ladder'),
  from: z.string(),
  until: z.string().nullable().describe('Null: for ever'),
  removedAt: z.string().nullable(),
  pending: z.boolean().describe('Held by the brake: not in force'),
})

const checkBody = strictObject({ addresses: z.array(z.string().min(1).max(1_000)).min(1).max(1_000, 'at most 1,000 addresses') })
const checkResponse = z.object({
  results: z.array(
    z.object({
      address: z.string(),
      suppressed: z.boolean(),
      list: z.enum(LIST_NAMES).nullable(),
      until: z.string().nullable(),
      reason: z.string().nullable(),
    }),
  ),
})

const reactivateBody = strictObject({
  list: z.literal('bounce').default('bounce').describe('The other lists are people’s own words'),
  site: z.string().min(1).max(255).optional(),
  rule: z.string().min(1).max(128).optional(),
  since: timestamp,
  until: timestamp,
  dryRun: z.boolean().default(false),
})
  .refine((body) => body.site !== undefined || body.rule !== undefined, 'name a site, a rule, or both')
  .refine((body) => Date.parse(body.since) < Date.parse(body.until), { error: 'must be before until', path: ['since'] })

export type SuppressionRouteDependencies = { readonly services: Services; readonly authorizer: Authorizer }

export function addSuppressionRoutes(server: HttpServer, dependencies: SuppressionRouteDependencies): void {
  addListRoute(server, dependencies)
  addCheckRoute(server, dependencies)
  addReactivateRoute(server, dependencies)
}

function addListRoute(server: HttpServer, { services, authorizer }: SuppressionRouteDependencies): void {
  const schema = {
    summary: 'One list, a page at a time',
    tags: ['suppressions'],
    params: z.object({ list: z.enum(LIST_NAMES) }),
    querystring: strictObject({
      ...operatorQuery,
      address: z.string().min(1).max(1_000).optional(),
      state: z.enum(['in-force', 'any']).default('in-force').describe('`any` also shows what ended, was removed, or is held'),
      since: timestamp.optional(),
      until: timestamp.optional(),
      after: z.string().max(600).optional().describe('`next` of the page before'),
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
    }),
    response: { 200: z.object({ entries: z.array(entryView), next: z.string().nullable() }) },
  }
  server.get('/v1/suppressions/:list', { schema }, async (request) => {
    const caller = await authorizer.requireAccount(request)
    const { address, since, until, after, limit, state } = request.query
    const page = await services.listSuppressions(caller.account, {
      list: request.params.list,
      email: address ?? null,
      from: since === undefined ? null : Date.parse(since),
      until: until === undefined ? null : Date.parse(until),
      apiUsers: null,
      labelIds: null,
      onlyInForce: state === 'in-force',
      after: after ?? null,
      offset: 0,
      limit,
    })
    return { entries: page.rows.map(toEntryView), next: page.next }
  })
}

/** The order in which lists answer a send: a wish of the recipient before what we learnt ourselves. */
const LIST_PRECEDENCE = ['unsubscribe', 'complaint', 'block', 'bounce'] as const

function addCheckRoute(server: HttpServer, { services, authorizer }: SuppressionRouteDependencies): void {
  const schema = {
    summary: 'Which of these addresses not to write to',
    tags: ['suppressions'],
    body: checkBody,
    querystring: strictObject(operatorQuery),
    response: { 200: checkResponse },
  }
  server.post('/v1/suppressions/check', { schema }, async (request) => {
    const caller = await authorizer.requireAccount(request)
    const { addresses } = request.body
    const rowsByAddress = await services.checkAddresses(caller.account, addresses)
    const now = services.now()
    return {
      results: addresses.map((address, at) => ({
        address,
        ...toCheckResult(filterByApiUser(rowsByAddress[at] ?? [], caller.apiUser), now),
      })),
    }
  })
}

/** Blocks and allowances of another API user are nothing to this one. */
function filterByApiUser(rows: readonly SuppressionRow[], apiUser: string): readonly SuppressionRow[] {
  return rows.filter(({ list, scope }) => (list !== 'block' && list !== 'allow') || scope === '' || scope === apiUser)
}

function toCheckResult(rows: readonly SuppressionRow[], now: number): Omit<z.output<typeof checkResponse>['results'][number], 'address'> {
  const inForce = rows.filter((row) => isSuppressionInForce(row, now))
  const isAllowed = inForce.some((row) => row.list === 'allow')
  const decisive = LIST_PRECEDENCE.filter((list) => list !== 'bounce' || !isAllowed)
    .map((list) => inForce.find((row) => row.list === list))
    .find((row) => row !== undefined)
  return {
    suppressed: decisive !== undefined,
    list: decisive?.list ?? null,
    until: decisive === undefined ? null : toIsoTimestamp(decisive.until),
    reason: decisive?.reason ?? null,
  }
}

function addReactivateRoute(server: HttpServer, { services, authorizer }: SuppressionRouteDependencies): void {
  const schema = {
    summary: 'Undo a batch of entries, as new facts',
    tags: ['suppressions'],
    body: reactivateBody,
    querystring: strictObject(operatorQuery),
    response: { 200: z.object({ dryRun: z.boolean(), lifted: z.int(), entries: z.array(entryView).describe('The first 1,000 of them') }) },
  }
  server.post('/v1/suppressions/lift', { schema }, async (request) => {
    const caller = await authorizer.requireAccount(request)
    const { site, rule, since, until, dryRun } = request.body
    const rows = await services.reactivateSuppressions(caller, {
      site: site ?? null,
      rule: rule ?? null,
      since: Date.parse(since),
      until: Date.parse(until),
      dryRun,
    })
    return { dryRun, lifted: rows.length, entries: rows.slice(0, 1_000).map(toEntryView) }
  })
}

function toEntryView(row: SuppressionRow): z.output<typeof entryView> {
  const { list, address, addressHash, domain, isDomain, scope, reason, rule, site, n, pending } = row
  return {
    list,
    address,
    addressHash,
    domain,
    isDomain,
    scope,
    reason,
    rule,
    site,
    n,
    from: toIsoTimestamp(row.from),
    until: toIsoTimestamp(row.until),
    removedAt: toIsoTimestamp(row.removedAt),
    pending,
  }
}

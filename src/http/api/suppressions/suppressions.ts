/**
 * suppressions - the suppression lists: list entries, check addresses, reactivate a batch of addresses
 *
 * See also: http/services/suppressions, ledger/suppress/suppression (ladders), http/sendcloud/lists (the SendCloud API).
 */
import { z } from 'zod'
import { PROOFS } from '../../../ledger/facts/decision.ts'
import { LIST_NAMES } from '../../../ledger/facts/list-facts.ts'
import type { SuppressionRow } from '../../../ledger/project/state.ts'
import { isSuppressionInForce } from '../../../store/lists/suppressions.ts'
import type { SuppressionService } from '../../services/suppressions.ts'
import type { Authorizer } from '../../server/authorize.ts'
import { toIsoTimestamp } from '../../server/fact-view.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { operatorQuery, strictObject } from '../../server/schemas.ts'

type SuppressionRouteDependencies = {
  readonly suppressions: Pick<SuppressionService, 'list' | 'checkAddresses' | 'reactivate'>
  readonly authorizer: Authorizer
  readonly now: () => number
}

const timestamp = z.iso.datetime({ offset: true })

export const entryView = z.object({
  list: z.enum(LIST_NAMES),
  address: z.string().nullable().describe('Null once the address has been erased'),
  addressHash: z.string(),
  domain: z.string(),
  isDomain: z.boolean(),
  scope: z.string().describe('Empty for the whole account; otherwise a label or an API user'),
  reason: z.string(),
  rule: z.string().nullable(),
  site: z.string().nullable(),
  proof: z
    .string()
    .nullable()
    .describe(
      'What proved the report behind the entry: `signed` (our token and the signature of a feedback loop), `token`, `verp` or `operator`',
    ),
  n: z.int().describe('The step of the suppression ladder'),
  from: z.string(),
  until: z.string().nullable().describe('Null for an entry that does not expire'),
  removedAt: z.string().nullable(),
  pending: z.boolean().describe('True if the mass-bounce guard holds the entry; it is not in force'),
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
  list: z.literal('bounce').default('bounce').describe('Only bounce entries can be reactivated; the other lists hold decisions of people'),
  site: z.string().min(1).max(255).optional(),
  rule: z.string().min(1).max(128).optional(),
  since: timestamp,
  until: timestamp,
  dryRun: z.boolean().default(false),
})
  .refine((body) => body.site !== undefined || body.rule !== undefined, 'set site, rule, or both')
  .refine((body) => Date.parse(body.since) < Date.parse(body.until), { error: 'must be before until', path: ['since'] })

export function addSuppressionRoutes(server: HttpServer, dependencies: SuppressionRouteDependencies): void {
  addListRoute(server, dependencies)
  addCheckRoute(server, dependencies)
  addReactivateRoute(server, dependencies)
}

const listQuery = strictObject({
  ...operatorQuery,
  address: z.string().min(1).max(1_000).optional(),
  state: z
    .enum(['in-force', 'held', 'any'])
    .default('in-force')
    .describe('`held`: those that the mass-bounce guard holds; `any` includes entries that have expired, were removed, or are held'),
  site: z.string().min(1).max(255).optional().describe('The receiving provider'),
  rule: z.string().min(1).max(128).optional().describe('The rule that decided'),
  proof: z.enum(PROOFS).optional().describe('Only entries whose report was proven so'),
  since: timestamp.optional(),
  until: timestamp.optional(),
  after: z.string().max(600).optional().describe('`next` of the previous page'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

function addListRoute(server: HttpServer, { suppressions, authorizer }: SuppressionRouteDependencies): void {
  const schema = {
    summary: 'List the entries of one suppression list',
    tags: ['suppressions'],
    params: z.object({ list: z.enum(LIST_NAMES) }),
    querystring: listQuery,
    response: { 200: z.object({ entries: z.array(entryView), next: z.string().nullable() }) },
  }
  server.get('/v1/suppressions/:list', { schema }, async (request) => {
    const caller = await authorizer.requireAccount(request)
    const { address, proof, site, rule, since, until, after, limit, state } = request.query
    const page = await suppressions.list(caller.account, {
      list: request.params.list,
      email: address ?? null,
      from: since === undefined ? null : Date.parse(since),
      until: until === undefined ? null : Date.parse(until),
      apiUsers: null,
      labelIds: null,
      proof: proof ?? null,
      site: site ?? null,
      rule: rule ?? null,
      pending: state === 'held' ? true : null,
      onlyInForce: state === 'in-force',
      after: after ?? null,
      offset: 0,
      limit,
    })
    return { entries: page.rows.map(toEntryView), next: page.next }
  })
}

/** Which list decides when several match: the recipient's own decision before what we learned from replies. */
const LIST_PRECEDENCE = ['unsubscribe', 'complaint', 'block', 'bounce'] as const

function addCheckRoute(server: HttpServer, { suppressions, authorizer, now }: SuppressionRouteDependencies): void {
  const schema = {
    summary: 'Check which addresses are suppressed',
    tags: ['suppressions'],
    body: checkBody,
    querystring: strictObject(operatorQuery),
    response: { 200: checkResponse },
  }
  server.post('/v1/suppressions/check', { schema, config: { permission: 'read' } }, async (request) => {
    const caller = await authorizer.requireAccount(request)
    const { addresses } = request.body
    const rowsByAddress = await suppressions.checkAddresses(caller.account, addresses)
    const at = now()
    return {
      results: addresses.map((address, index) => ({
        address,
        ...toCheckResult(filterByApiUser(rowsByAddress[index] ?? [], caller.apiUser), at),
      })),
    }
  })
}

/** Drops the block and allow entries of other API users. */
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

function addReactivateRoute(server: HttpServer, { suppressions, authorizer }: SuppressionRouteDependencies): void {
  const schema = {
    summary: 'Reactivate a batch of addresses; the change is recorded as new facts',
    tags: ['suppressions'],
    body: reactivateBody,
    querystring: strictObject(operatorQuery),
    response: { 200: z.object({ dryRun: z.boolean(), lifted: z.int(), entries: z.array(entryView).describe('The first 1,000 entries') }) },
  }
  server.post('/v1/suppressions/lift', { schema }, async (request) => {
    const caller = await authorizer.requireAccount(request)
    const { site, rule, since, until, dryRun } = request.body
    const rows = await suppressions.reactivate(caller, {
      site: site ?? null,
      rule: rule ?? null,
      since: Date.parse(since),
      until: Date.parse(until),
      dryRun,
    })
    return { dryRun, lifted: rows.length, entries: rows.slice(0, 1_000).map(toEntryView) }
  })
}

/** One entry as the API shows it. */
export function toEntryView(row: SuppressionRow): z.output<typeof entryView> {
  const { list, address, addressHash, domain, isDomain, scope, reason, rule, site, proof, n, pending } = row
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
    proof,
    n,
    from: toIsoTimestamp(row.from),
    until: toIsoTimestamp(row.until),
    removedAt: toIsoTimestamp(row.removedAt),
    pending,
  }
}

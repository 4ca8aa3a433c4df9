/**
 * suppressions - the lists that say whom not to write to: reading, asking for addresses, lifting a batch
 *
 * See also: ledger/suppress/suppression (ladders), http/sendcloud/lists (the other face).
 */
import { z } from 'zod'
import { LISTS } from '../../ledger/facts/fact.ts'
import type { SuppressionRow } from '../../ledger/project/state.ts'
import { isInForce } from '../../store/lists/suppressions.ts'
import type { Desk } from '../services.ts'
import { isoOf } from '../server/fact-view.ts'
import type { Guard } from '../server/authorize.ts'
import type { Web } from '../server/server.ts'
import { operatorQuery, strict } from '../server/schemas.ts'

const moment = z.iso.datetime({ offset: true })

const entry = z.object({
  list: z.enum(LISTS),
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

const checkBody = strict({ addresses: z.array(z.string().min(1).max(1_000)).min(1).max(1_000, 'at most 1,000 addresses') })
const checked = z.object({
  results: z.array(
    z.object({
      address: z.string(),
      suppressed: z.boolean(),
      list: z.enum(LISTS).nullable(),
      until: z.string().nullable(),
      reason: z.string().nullable(),
    }),
  ),
})

const liftBody = strict({
  list: z.literal('bounce').default('bounce').describe('The other lists are people’s own words'),
  site: z.string().min(1).max(255).optional(),
  rule: z.string().min(1).max(128).optional(),
  since: moment,
  until: moment,
  dryRun: z.boolean().default(false),
})
  .refine((body) => body.site !== undefined || body.rule !== undefined, 'name a site, a rule, or both')
  .refine((body) => Date.parse(body.since) < Date.parse(body.until), { error: 'must be before until', path: ['since'] })

export type SuppressionRoutes = { readonly desk: Desk; readonly guard: Guard }

export function addSuppressions(server: Web, routes: SuppressionRoutes): void {
  addList(server, routes)
  addCheck(server, routes)
  addLift(server, routes)
}

function addList(server: Web, { desk, guard }: SuppressionRoutes): void {
  const schema = {
    summary: 'One list, a page at a time',
    tags: ['suppressions'],
    params: z.object({ list: z.enum(LISTS) }),
    querystring: strict({
      ...operatorQuery,
      address: z.string().min(1).max(1_000).optional(),
      state: z.enum(['in-force', 'any']).default('in-force').describe('`any` also shows what ended, was removed, or is held'),
      since: moment.optional(),
      until: moment.optional(),
      after: z.string().max(600).optional().describe('`next` of the page before'),
      limit: z.coerce.number().int().min(1).max(1_000).default(100),
    }),
    response: { 200: z.object({ entries: z.array(entry), next: z.string().nullable() }) },
  }
  server.get('/v1/suppressions/:list', { schema }, async (request) => {
    const asker = await guard.account(request)
    const { address, since, until, after, limit, state } = request.query
    const page = await desk.suppressions(asker.account, {
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
    return { entries: page.rows.map(viewEntry), next: page.next }
  })
}

/** The order in which lists answer a send: a wish of the recipient before what we learnt ourselves. */
const ANSWER_ORDER = ['unsubscribe', 'complaint', 'block', 'bounce'] as const

function addCheck(server: Web, { desk, guard }: SuppressionRoutes): void {
  const schema = {
    summary: 'Which of these addresses not to write to',
    tags: ['suppressions'],
    body: checkBody,
    querystring: strict(operatorQuery),
    response: { 200: checked },
  }
  server.post('/v1/suppressions/check', { schema }, async (request) => {
    const asker = await guard.account(request)
    const { addresses } = request.body
    const found = await desk.checkAddresses(asker.account, addresses)
    const now = desk.now()
    return { results: addresses.map((address, at) => ({ address, ...answerOf(holding(found[at] ?? [], asker.apiUser), now) })) }
  })
}

/** Blocks and allowances of another API user are nothing to this one. */
function holding(rows: readonly SuppressionRow[], apiUser: string): readonly SuppressionRow[] {
  return rows.filter(({ list, scope }) => (list !== 'block' && list !== 'allow') || scope === '' || scope === apiUser)
}

function answerOf(rows: readonly SuppressionRow[], now: number): Omit<z.output<typeof checked>['results'][number], 'address'> {
  const inForce = rows.filter((row) => isInForce(row, now))
  const isAllowed = inForce.some((row) => row.list === 'allow')
  const hit = ANSWER_ORDER.filter((list) => list !== 'bounce' || !isAllowed)
    .map((list) => inForce.find((row) => row.list === list))
    .find((row) => row !== undefined)
  return {
    suppressed: hit !== undefined,
    list: hit?.list ?? null,
    until: hit === undefined ? null : isoOf(hit.until),
    reason: hit?.reason ?? null,
  }
}

function addLift(server: Web, { desk, guard }: SuppressionRoutes): void {
  const schema = {
    summary: 'Undo a batch of entries, as new facts',
    tags: ['suppressions'],
    body: liftBody,
    querystring: strict(operatorQuery),
    response: { 200: z.object({ dryRun: z.boolean(), lifted: z.int(), entries: z.array(entry).describe('The first 1,000 of them') }) },
  }
  server.post('/v1/suppressions/lift', { schema }, async (request) => {
    const asker = await guard.account(request)
    const { site, rule, since, until, dryRun } = request.body
    const rows = await desk.lift(asker, {
      site: site ?? null,
      rule: rule ?? null,
      since: Date.parse(since),
      until: Date.parse(until),
      dryRun,
    })
    return { dryRun, lifted: rows.length, entries: rows.slice(0, 1_000).map(viewEntry) }
  })
}

function viewEntry(row: SuppressionRow): z.output<typeof entry> {
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
    from: isoOf(row.from),
    until: isoOf(row.until),
    removedAt: isoOf(row.removedAt),
    pending,
  }
}

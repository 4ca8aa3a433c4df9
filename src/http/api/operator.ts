/**
 * operator - what only the operator may do: cut off peers, tokens and accounts, let the brake go, and erase an address
 *
 * See also: service/admin/blocks, service/lists/mass-bounce-review, service/admin/erase.
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import { ACCESS_BLOCK_KINDS, type AccessBlock, type AccessBlockKind } from '../../store/lists/blocks.ts'
import { RELEASE_ACTIONS, type ReleaseAction } from '../../service/lists/mass-bounce-review.ts'
import { parseBlockName } from '../../service/admin/blocks.ts'
import type { Services } from '../services.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { Authorizer } from '../server/authorize.ts'
import type { HttpServer } from '../server/http-server.ts'
import { strictObject } from '../server/schemas.ts'

const accessBlockView = z.object({
  kind: z.enum(ACCESS_BLOCK_KINDS),
  name: z.string().describe('An address or network, a deliveryId, or an account’s number'),
  reason: z.string(),
  actor: z.string(),
  since: z.string(),
})

const nameSchema = z.string().min(1).max(128)

const addBlockBody = strictObject({
  peer: nameSchema.optional().describe('An IP address, or a network like 192.0.2.0/24'),
  token: nameSchema.optional().describe('A token, or its deliveryId'),
  account: nameSchema.optional().describe('An apiUser of the account'),
  reason: z.string().min(1).max(512),
}).refine((body) => ACCESS_BLOCK_KINDS.filter((kind) => body[kind] !== undefined).length === 1, 'name a peer, a token or an account')

export type OperatorRouteDependencies = {
  readonly services: Services
  readonly authorizer: Authorizer
  readonly findAccount: (apiUser: string) => Promise<number | null>
}

const tags = ['operator']
const emptyQuery = strictObject({})

export function addOperatorRoutes(server: HttpServer, dependencies: OperatorRouteDependencies): void {
  addAccessBlockRoutes(server, dependencies)
  addMassBounceRoutes(server, dependencies)
  addErasureRoute(server, dependencies)
}

function addAccessBlockRoutes(server: HttpServer, { services, authorizer, findAccount }: OperatorRouteDependencies): void {
  const resolveName = async (kind: AccessBlockKind, givenName: string): Promise<string> => {
    if (kind !== 'account') return parseBlockName(kind, givenName)
    const account = await findAccount(givenName)
    if (account === null) throw new Fault('not_found', 'no account bears that name')
    return String(account)
  }
  const list = {
    summary: 'What is cut off',
    tags,
    querystring: emptyQuery,
    response: { 200: z.object({ cuts: z.array(accessBlockView) }) },
  }
  server.get('/v1/cuts', { schema: list }, async (request) => {
    await authorizer.requireOperator(request)
    return { cuts: (await services.listAccessBlocks()).map(toAccessBlockView) }
  })
  const changed = { 200: z.object({ kind: z.enum(ACCESS_BLOCK_KINDS), name: z.string(), changed: z.boolean() }) }
  const add = { summary: 'Cut a peer, a token or an account off', tags, querystring: emptyQuery, body: addBlockBody, response: changed }
  server.post('/v1/cuts', { schema: add }, async (request) => {
    await authorizer.requireOperator(request)
    const { reason, ...body } = request.body
    const [kind, givenName] = ACCESS_BLOCK_KINDS.flatMap((each) => (body[each] === undefined ? [] : [[each, body[each]] as const]))[0] ?? [
      'peer',
      '',
    ]
    const call = { kind, name: await resolveName(kind, givenName), actor: 'operator' }
    return { kind, name: call.name, changed: await services.addAccessBlock(call, reason) }
  })
  const querystring = strictObject({ kind: z.enum(ACCESS_BLOCK_KINDS), name: nameSchema })
  const remove = { summary: 'Let it in again', tags, querystring, response: changed }
  server.delete('/v1/cuts', { schema: remove }, async (request) => {
    await authorizer.requireOperator(request)
    const { kind, name: givenName } = request.query
    const call = { kind, name: await resolveName(kind, givenName), actor: 'operator' }
    return { kind, name: call.name, changed: await services.removeAccessBlock(call) }
  })
}

function toAccessBlockView({ kind, name: blockName, reason, actor, createdAt }: AccessBlock): z.output<typeof accessBlockView> {
  return { kind, name: blockName, reason, actor, since: toIsoTimestamp(createdAt) }
}

const massBounceReviewView = z.object({
  site: z.string(),
  held: z.boolean().describe('False: it was let go, and some entries still wait'),
  since: z.string().nullable().describe('When it was held'),
  pending: z.int().describe('Entries that wait'),
})

const RESOLUTION_SUMMARIES = {
  apply: 'The mailboxes are gone: let the held entries stand, and the site go',
  discard: 'It was the provider’s mistake: drop the held entries, and let the site go',
} as const satisfies Record<ReleaseAction, string>

function addMassBounceRoutes(server: HttpServer, { services, authorizer }: OperatorRouteDependencies): void {
  const list = {
    summary: 'Sites whose list writes wait for a person',
    tags,
    querystring: emptyQuery,
    response: { 200: z.object({ brakes: z.array(massBounceReviewView) }) },
  }
  server.get('/v1/brakes', { schema: list }, async (request) => {
    await authorizer.requireOperator(request)
    return {
      brakes: (await services.listMassBounceReviews()).map(({ site, held, at, pending }) => ({
        site,
        held,
        since: toIsoTimestamp(at),
        pending,
      })),
    }
  })
  const params = z.object({ site: z.string().min(1).max(255) })
  const resolutionResponse = z.object({
    site: z.string(),
    changed: z.boolean().describe('False: it was not held, and nothing waited'),
    entries: z.int().describe('Entries that were settled'),
  })
  for (const action of RELEASE_ACTIONS) {
    const schema = { summary: RESOLUTION_SUMMARIES[action], tags, params, querystring: emptyQuery, response: { 200: resolutionResponse } }
    server.post(`/v1/brakes/:site/${action}`, { schema }, async (request) => {
      await authorizer.requireOperator(request)
      return services.resolveMassBounceReview({ site: request.params.site, action, actor: 'operator' })
    })
  }
}

function addErasureRoute(server: HttpServer, { services, authorizer }: OperatorRouteDependencies): void {
  const params = z.object({ address: z.string().min(3).max(1_000) })
  const erasureResponse = z.object({
    addressHash: z.string().describe('Stays on the lists, so that they go on answering'),
    deliveries: z.int(),
    entries: z.int(),
    mails: z.int().describe('Raw mails that named it, removed whole'),
  })
  const schema = { summary: 'Erase an address everywhere', tags, params, querystring: emptyQuery, response: { 200: erasureResponse } }
  server.delete('/v1/addresses/:address', { schema }, async (request) => {
    await authorizer.requireOperator(request)
    return services.eraseAddress(request.params.address, 'operator')
  })
}

/**
 * operator - routes for the operator only: access blocks, mass-bounce reviews, and the erasure of an address
 *
 * See also: http/services/operator, service/admin/blocks, service/lists/mass-bounce-review, service/admin/erase.
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import { ACCESS_BLOCK_KINDS, type AccessBlock, type AccessBlockKind } from '../../store/lists/blocks.ts'
import { RELEASE_ACTIONS, type ReleaseAction } from '../../service/lists/mass-bounce-review.ts'
import { parseBlockName } from '../../service/admin/blocks.ts'
import type { AccessBlockService, EraseAddress, MassBounceReviewService } from '../services/operator.ts'
import type { Authorizer } from '../server/authorize.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { strictObject } from '../server/schemas.ts'

const accessBlockView = z.object({
  kind: z.enum(ACCESS_BLOCK_KINDS),
  name: z.string().describe('An IP address or network, a delivery ID, or an account number'),
  reason: z.string(),
  actor: z.string(),
  since: z.string(),
})

const nameSchema = z.string().min(1).max(128)

const addBlockBody = strictObject({
  peer: nameSchema.optional().describe('An IP address, or a network such as 192.0.2.0/24'),
  token: nameSchema.optional().describe('A token, or its delivery ID'),
  account: nameSchema.optional().describe('An API user of the account'),
  reason: z.string().min(1).max(512),
}).refine(
  (body) => ACCESS_BLOCK_KINDS.filter((kind) => body[kind] !== undefined).length === 1,
  'set exactly one of peer, token and account',
)

type OperatorRouteDependencies = {
  readonly accessBlocks: AccessBlockService
  readonly massBounceReviews: MassBounceReviewService
  readonly eraseAddress: EraseAddress
  readonly authorizer: Authorizer
  readonly findAccount: (apiUser: string) => Promise<number | null>
}

const tags = ['operator']
const config = { permission: 'administer' } as const
const emptyQuery = strictObject({})

export function addOperatorRoutes(server: HttpServer, dependencies: OperatorRouteDependencies): void {
  addAccessBlockRoutes(server, dependencies)
  addMassBounceRoutes(server, dependencies)
  addErasureRoute(server, dependencies)
}

function addAccessBlockRoutes(server: HttpServer, { accessBlocks, authorizer, findAccount }: OperatorRouteDependencies): void {
  const resolveName = async (kind: AccessBlockKind, givenName: string): Promise<string> => {
    if (kind !== 'account') return parseBlockName(kind, givenName)
    const account = await findAccount(givenName)
    if (account === null) throw new Fault('not_found', 'no account has this API user')
    return String(account)
  }
  const list = {
    summary: 'List access blocks',
    tags,
    querystring: emptyQuery,
    response: { 200: z.object({ cuts: z.array(accessBlockView) }) },
  }
  server.get('/v1/cuts', { schema: list }, async (request) => {
    await authorizer.requireOperator(request)
    return { cuts: (await accessBlocks.list()).map(toAccessBlockView) }
  })
  const changed = { 200: z.object({ kind: z.enum(ACCESS_BLOCK_KINDS), name: z.string(), changed: z.boolean() }) }
  const add = { summary: 'Block a peer, a token or an account', tags, querystring: emptyQuery, body: addBlockBody, response: changed }
  server.post('/v1/cuts', { schema: add, config }, async (request) => {
    const { actor } = await authorizer.requireOperator(request)
    const { reason, ...body } = request.body
    const [kind, givenName] = ACCESS_BLOCK_KINDS.flatMap((each) => (body[each] === undefined ? [] : [[each, body[each]] as const]))[0] ?? [
      'peer',
      '',
    ]
    const call = { kind, name: await resolveName(kind, givenName), actor }
    return { kind, name: call.name, changed: await accessBlocks.add(call, reason) }
  })
  const querystring = strictObject({ kind: z.enum(ACCESS_BLOCK_KINDS), name: nameSchema })
  const remove = { summary: 'Remove an access block', tags, querystring, response: changed }
  server.delete('/v1/cuts', { schema: remove, config }, async (request) => {
    const { actor } = await authorizer.requireOperator(request)
    const { kind, name: givenName } = request.query
    const call = { kind, name: await resolveName(kind, givenName), actor }
    return { kind, name: call.name, changed: await accessBlocks.remove(call) }
  })
}

function toAccessBlockView({ kind, name: blockName, reason, actor, createdAt }: AccessBlock): z.output<typeof accessBlockView> {
  return { kind, name: blockName, reason, actor, since: toIsoTimestamp(createdAt) }
}

const massBounceReviewView = z.object({
  site: z.string(),
  held: z.boolean().describe('False if the site was released while entries were still pending'),
  since: z.string().nullable().describe('When the site was held'),
  pending: z.int().describe('The number of pending entries'),
})

const RESOLUTION_SUMMARIES = {
  apply: 'Apply the held entries, because the mailboxes do not exist any more, and release the site',
  discard: 'Discard the held entries, because the provider made a mistake, and release the site',
} as const satisfies Record<ReleaseAction, string>

function addMassBounceRoutes(server: HttpServer, { massBounceReviews, authorizer }: OperatorRouteDependencies): void {
  const list = {
    summary: 'List sites whose bounce entries are held for review',
    tags,
    querystring: emptyQuery,
    response: { 200: z.object({ brakes: z.array(massBounceReviewView) }) },
  }
  server.get('/v1/brakes', { schema: list }, async (request) => {
    await authorizer.requireOperator(request)
    return {
      brakes: (await massBounceReviews.list()).map(({ site, held, at, pending }) => ({
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
    changed: z.boolean().describe('False if the site was not held and had no pending entries'),
    entries: z.int().describe('The number of entries that were applied or discarded'),
  })
  for (const action of RELEASE_ACTIONS) {
    const schema = { summary: RESOLUTION_SUMMARIES[action], tags, params, querystring: emptyQuery, response: { 200: resolutionResponse } }
    server.post(`/v1/brakes/:site/${action}`, { schema }, async (request) => {
      const { actor } = await authorizer.requireOperator(request)
      return massBounceReviews.resolve({ site: request.params.site, action, actor })
    })
  }
}

function addErasureRoute(server: HttpServer, { eraseAddress, authorizer }: OperatorRouteDependencies): void {
  const params = z.object({ address: z.string().min(3).max(1_000) })
  const erasureResponse = z.object({
    addressHash: z.string().describe('The hash stays on the suppression lists, so that they still apply'),
    deliveries: z.int(),
    entries: z.int(),
    mails: z.int().describe('The number of raw mails that contained the address and were deleted'),
  })
  const schema = { summary: 'Erase an address in all accounts', tags, params, querystring: emptyQuery, response: { 200: erasureResponse } }
  server.delete('/v1/addresses/:address', { schema, config }, async (request) => {
    const { actor } = await authorizer.requireOperator(request)
    return eraseAddress(request.params.address, actor)
  })
}

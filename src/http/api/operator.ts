/**
 * operator - what only the operator may do: cut off peers, tokens and accounts, let the brake go, and erase an address
 *
 * See also: service/admin/blocks, service/lists/mass-bounce-review, service/admin/erase.
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import { CUT_KINDS, type Cut, type CutKind } from '../../store/lists/blocks.ts'
import { RELEASES, type Release } from '../../service/lists/mass-bounce-review.ts'
import { readCutName } from '../../service/admin/blocks.ts'
import type { Desk } from '../services.ts'
import { isoOf } from '../server/fact-view.ts'
import type { Guard } from '../server/authorize.ts'
import type { Web } from '../server/server.ts'
import { strict } from '../server/schemas.ts'

const cut = z.object({
  kind: z.enum(CUT_KINDS),
  name: z.string().describe('An address or network, a deliveryId, or an account’s number'),
  reason: z.string(),
  actor: z.string(),
  since: z.string(),
})

const name = z.string().min(1).max(128)

const addBody = strict({
  peer: name.optional().describe('An IP address, or a network like 192.0.2.0/24'),
  token: name.optional().describe('A token, or its deliveryId'),
  account: name.optional().describe('An apiUser of the account'),
  reason: z.string().min(1).max(512),
}).refine((body) => CUT_KINDS.filter((kind) => body[kind] !== undefined).length === 1, 'name a peer, a token or an account')

export type OperatorRoutes = {
  readonly desk: Desk
  readonly guard: Guard
  readonly accountOf: (apiUser: string) => Promise<number | null>
}

const tags = ['operator']
const none = strict({})

export function addOperator(server: Web, routes: OperatorRoutes): void {
  addCuts(server, routes)
  addBrakes(server, routes)
  addErasure(server, routes)
}

function addCuts(server: Web, { desk, guard, accountOf }: OperatorRoutes): void {
  const nameOf = async (kind: CutKind, said: string): Promise<string> => {
    if (kind !== 'account') return readCutName(kind, said)
    const account = await accountOf(said)
    if (account === null) throw new Fault('not_found', 'no account bears that name')
    return String(account)
  }
  const list = { summary: 'What is cut off', tags, querystring: none, response: { 200: z.object({ cuts: z.array(cut) }) } }
  server.get('/v1/cuts', { schema: list }, async (request) => {
    await guard.operator(request)
    return { cuts: (await desk.cuts()).map(viewCut) }
  })
  const changed = { 200: z.object({ kind: z.enum(CUT_KINDS), name: z.string(), changed: z.boolean() }) }
  const add = { summary: 'Cut a peer, a token or an account off', tags, querystring: none, body: addBody, response: changed }
  server.post('/v1/cuts', { schema: add }, async (request) => {
    await guard.operator(request)
    const { reason, ...body } = request.body
    const [kind, said] = CUT_KINDS.flatMap((each) => (body[each] === undefined ? [] : [[each, body[each]] as const]))[0] ?? ['peer', '']
    const call = { kind, name: await nameOf(kind, said), actor: 'operator' }
    return { kind, name: call.name, changed: await desk.addCut(call, reason) }
  })
  const querystring = strict({ kind: z.enum(CUT_KINDS), name })
  const remove = { summary: 'Let it in again', tags, querystring, response: changed }
  server.delete('/v1/cuts', { schema: remove }, async (request) => {
    await guard.operator(request)
    const { kind, name: said } = request.query
    const call = { kind, name: await nameOf(kind, said), actor: 'operator' }
    return { kind, name: call.name, changed: await desk.removeCut(call) }
  })
}

function viewCut({ kind, name: named, reason, actor, createdAt }: Cut): z.output<typeof cut> {
  return { kind, name: named, reason, actor, since: isoOf(createdAt) }
}

const brake = z.object({
  site: z.string(),
  held: z.boolean().describe('False: it was let go, and some entries still wait'),
  since: z.string().nullable().describe('When it was held'),
  pending: z.int().describe('Entries that wait'),
})

const RELEASE_SUMMARIES = {
  apply: 'The mailboxes are gone: let the held entries stand, and the site go',
  discard: 'It was the provider’s mistake: drop the held entries, and let the site go',
} as const satisfies Record<Release, string>

function addBrakes(server: Web, { desk, guard }: OperatorRoutes): void {
  const list = {
    summary: 'Sites whose list writes wait for a person',
    tags,
    querystring: none,
    response: { 200: z.object({ brakes: z.array(brake) }) },
  }
  server.get('/v1/brakes', { schema: list }, async (request) => {
    await guard.operator(request)
    return { brakes: (await desk.brakes()).map(({ site, held, at, pending }) => ({ site, held, since: isoOf(at), pending })) }
  })
  const params = z.object({ site: z.string().min(1).max(255) })
  const released = z.object({
    site: z.string(),
    changed: z.boolean().describe('False: it was not held, and nothing waited'),
    entries: z.int().describe('Entries that were settled'),
  })
  for (const action of RELEASES) {
    const schema = { summary: RELEASE_SUMMARIES[action], tags, params, querystring: none, response: { 200: released } }
    server.post(`/v1/brakes/:site/${action}`, { schema }, async (request) => {
      await guard.operator(request)
      return desk.releaseBrake({ site: request.params.site, action, actor: 'operator' })
    })
  }
}

function addErasure(server: Web, { desk, guard }: OperatorRoutes): void {
  const params = z.object({ address: z.string().min(3).max(1_000) })
  const gone = z.object({
    addressHash: z.string().describe('Stays on the lists, so that they go on answering'),
    deliveries: z.int(),
    entries: z.int(),
    mails: z.int().describe('Raw mails that named it, removed whole'),
  })
  const schema = { summary: 'Erase an address everywhere', tags, params, querystring: none, response: { 200: gone } }
  server.delete('/v1/addresses/:address', { schema }, async (request) => {
    await guard.operator(request)
    return desk.eraseAddress(request.params.address, 'operator')
  })
}

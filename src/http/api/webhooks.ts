/**
 * webhooks - where an account's events are sent to, and what waits there
 *
 * See also: service/notify/webhooks, http/sendcloud/webhooks (the other face), docs/WEBHOOKS.md.
 */
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { EVENT_NAMES } from '../../webhook/payload.ts'
import { BODY_FORMATS } from '../../webhook/payload-format.ts'
import { Fault } from '../../errors.ts'
import type { Endpoint } from '../../store/webhook/endpoints.ts'
import type { OutboxRow } from '../../store/webhook/outbox.ts'
import type { Desk } from '../services.ts'
import { heedIfMatch, tagOf } from '../server/etag.ts'
import { isoOf } from '../server/fact-view.ts'
import type { Guard } from '../server/authorize.ts'
import type { Web } from '../server/server.ts'
import { operatorQuery, strict } from '../server/schemas.ts'
import { addWebhookRecords } from './webhook-attempts.ts'

const LADDERS = ['standard', 'vendor'] as const

const endpointView = z.object({
  id: z.int(),
  url: z.string(),
  name: z.string(),
  events: z.array(z.string()),
  apiUsers: z.array(z.string()).describe('Hears of these API users’ mails alone; empty: of all'),
  format: z.string(),
  ladder: z.string(),
  enabled: z.boolean().describe('False after a 410, or by hand'),
  createdAt: z.string(),
  updatedAt: z.string(),
})
const toldView = endpointView.extend({ secret: z.string().nullable().describe('Told once, when it is made; null where it stays') })

const events = z.array(z.enum(EVENT_NAMES)).min(1)
const url = z.string().min(1).max(2_000)
const name = z.string().max(128)
const apiUsers = z.array(z.string().min(1).max(64)).max(100)

const addBody = z.strictObject({
  url,
  name: name.default(''),
  events: events.default([...EVENT_NAMES]),
  apiUsers: apiUsers.default([]),
  format: z.enum(BODY_FORMATS).default('form'),
  ladder: z.enum(LADDERS).default('standard'),
})
const changeBody = z.strictObject({
  url: z.exactOptional(url),
  name: z.exactOptional(name),
  events: z.exactOptional(events),
  apiUsers: z.exactOptional(apiUsers),
  format: z.exactOptional(z.enum(BODY_FORMATS)),
  ladder: z.exactOptional(z.enum(LADDERS)),
  enabled: z.exactOptional(z.boolean()),
  rotate: z.exactOptional(z.boolean()).describe('A new secret; the old one signs beside it for a day'),
})

const rowView = z.object({
  eventId: z.string(),
  kind: z.string(),
  state: z.string().describe('waiting, sending or failed'),
  attempts: z.int(),
  dueAt: z.string(),
  createdAt: z.string(),
  error: z.string().nullable().describe('Of the last attempt: the status and the first bytes of the answer'),
})

export type WebhookRoutes = { readonly desk: Desk; readonly guard: Guard }

const tags = ['webhooks']
const querystring = strict(operatorQuery)
const params = z.object({ id: z.coerce.number().int().min(1).max(999_999_999) })

export function addWebhooks(server: Web, routes: WebhookRoutes): void {
  addCollection(server, routes)
  addOne(server, routes)
  addOutbox(server, routes)
  addWebhookRecords(server, routes)
}

function addCollection(server: Web, { desk, guard }: WebhookRoutes): void {
  const list = { summary: 'Endpoints', tags, querystring, response: { 200: z.object({ webhooks: z.array(endpointView) }) } }
  server.get('/v1/webhooks', { schema: list }, async (request) => {
    const { account } = await guard.account(request)
    return { webhooks: (await desk.webhooks.list(account)).map(view) }
  })
  const add = { summary: 'Add an endpoint', tags, querystring, body: addBody, response: { 201: toldView } }
  server.post('/v1/webhooks', { schema: add }, async (request, reply) => {
    const { account } = await guard.account(request)
    const { endpoint, secret } = await desk.webhooks.add(account, request.body)
    return reply.code(201).send({ ...view(endpoint), secret })
  })
}

function addOne(server: Web, { desk, guard }: WebhookRoutes): void {
  const shared = { tags, querystring, params }
  const need = async (account: number, id: number): Promise<Endpoint> => {
    const found = (await desk.webhooks.list(account)).find(({ endpointId }) => endpointId === id)
    if (found === undefined) throw new Fault('not_found', 'there is no such endpoint')
    return found
  }
  /** What the asker knows, where he says so. Faults: precondition_failed, not_found. */
  const heeded = async (request: FastifyRequest, account: number, id: number): Promise<{ unchangedSince?: number }> => {
    if (request.headers['if-match'] === undefined) return {}
    const { updatedAt } = await need(account, id)
    heedIfMatch(request, tagOf(updatedAt))
    return { unchangedSince: updatedAt }
  }
  const one = { ...shared, summary: 'One endpoint', response: { 200: endpointView } }
  server.get('/v1/webhooks/:id', { schema: one }, async (request, reply) => {
    const { account } = await guard.account(request)
    const endpoint = await need(account, request.params.id)
    void reply.header('etag', tagOf(endpoint.updatedAt))
    return view(endpoint)
  })
  const change = { ...shared, summary: 'Change an endpoint', body: changeBody, response: { 200: toldView } }
  server.patch('/v1/webhooks/:id', { schema: change }, async (request, reply) => {
    const { account } = await guard.account(request)
    const { id } = request.params
    const known = await heeded(request, account, id)
    const { endpoint, secret } = await desk.webhooks.change(account, id, { ...request.body, ...known })
    void reply.header('etag', tagOf(endpoint.updatedAt))
    return { ...view(endpoint), secret }
  })
  const remove = { ...shared, summary: 'Remove an endpoint and what waits for it', response: { 204: z.null() } }
  server.delete('/v1/webhooks/:id', { schema: remove }, async (request, reply) => {
    const { account } = await guard.account(request)
    await heeded(request, account, request.params.id)
    if (!(await desk.webhooks.remove(account, request.params.id))) throw new Fault('not_found', 'there is no such endpoint')
    return reply.code(204).send(null)
  })
}

function addOutbox(server: Web, { desk, guard }: WebhookRoutes): void {
  const query = querystring.extend({ limit: z.coerce.number().int().min(1).max(1_000).default(100) })
  const waiting = {
    summary: 'What waits or has failed',
    tags,
    querystring: query,
    params,
    response: { 200: z.object({ events: z.array(rowView) }) },
  }
  server.get('/v1/webhooks/:id/outbox', { schema: waiting }, async (request) => {
    const { account } = await guard.account(request)
    return { events: (await desk.webhooks.waiting(account, request.params.id, request.query.limit)).map(viewRow) }
  })
}

function view({ endpointId, createdAt, updatedAt, ...rest }: Endpoint): z.output<typeof endpointView> {
  const { url: target, name: named, events: wanted, apiUsers: users, format, ladder, enabled } = rest
  const times = { createdAt: isoOf(createdAt), updatedAt: isoOf(updatedAt) }
  return { id: endpointId, url: target, name: named, events: [...wanted], apiUsers: [...users], format, ladder, enabled, ...times }
}

function viewRow({ eventId, kind, state, attempts, dueAt, createdAt, error }: OutboxRow): z.output<typeof rowView> {
  return { eventId, kind, state, attempts, dueAt: isoOf(dueAt), createdAt: isoOf(createdAt), error }
}

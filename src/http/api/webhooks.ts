/**
 * webhooks - the webhook endpoints of an account, and the events queued for each
 *
 * See also: service/notify/webhooks, http/api/webhook-attempts, http/sendcloud/webhooks (the SendCloud API), docs/WEBHOOKS.md.
 */
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { WEBHOOK_EVENT_NAMES } from '../../webhook/payload.ts'
import { PAYLOAD_FORMATS } from '../../webhook/payload-format.ts'
import { RETRY_SCHEDULE_NAMES } from '../../webhook/retry-schedule.ts'
import { Fault } from '../../errors.ts'
import type { Endpoint } from '../../store/webhook/endpoints.ts'
import type { OutboxRow } from '../../store/webhook/outbox.ts'
import type { WebhookService } from '../../service/notify/webhooks.ts'
import { checkIfMatch, toVersionTag } from '../server/etag.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { Authorizer } from '../server/authorize.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

const endpointView = z.object({
  id: z.int(),
  url: z.string(),
  name: z.string(),
  events: z.array(z.string()),
  apiUsers: z.array(z.string()).describe('Only events of messages from these API users; empty for all'),
  format: z.string(),
  ladder: z.string(),
  publicKey: z.string().nullable().describe('For the format `sendgrid`: the key that verifies its signature, in base64 (SPKI)'),
  enabled: z.boolean().describe('False if the endpoint answered 410 or was disabled by a person'),
  createdAt: z.string(),
  updatedAt: z.string(),
})
const endpointWithSecretView = endpointView.extend({
  secret: z.string().nullable().describe('The new secret, shown once; null if it did not change'),
})

const events = z.array(z.enum(WEBHOOK_EVENT_NAMES)).min(1)
const url = z.string().min(1).max(2_000)
const name = z.string().max(128)
const apiUsers = z.array(z.string().min(1).max(64)).max(100)

const addBody = z.strictObject({
  url,
  name: name.default(''),
  events: events.default([...WEBHOOK_EVENT_NAMES]),
  apiUsers: apiUsers.default([]),
  format: z.enum(PAYLOAD_FORMATS).default('bounced'),
  ladder: z.enum(RETRY_SCHEDULE_NAMES).default('standard'),
})
const changeBody = z.strictObject({
  url: z.exactOptional(url),
  name: z.exactOptional(name),
  events: z.exactOptional(events),
  apiUsers: z.exactOptional(apiUsers),
  format: z.exactOptional(z.enum(PAYLOAD_FORMATS)),
  ladder: z.exactOptional(z.enum(RETRY_SCHEDULE_NAMES)),
  enabled: z.exactOptional(z.boolean()),
  rotate: z.exactOptional(z.boolean()).describe('Create a new secret; the old secret also signs for one more day'),
})

const outboxRowView = z.object({
  eventId: z.string(),
  kind: z.string(),
  state: z.string().describe('waiting, sending or failed'),
  attempts: z.int(),
  dueAt: z.string(),
  createdAt: z.string(),
  error: z.string().nullable().describe('The status and the first bytes of the last response'),
})

type WebhookRouteDependencies = {
  readonly webhooks: Pick<WebhookService, 'list' | 'add' | 'change' | 'remove' | 'pending' | 'publicKeyOf'>
  readonly authorizer: Authorizer
}

const tags = ['webhooks']
const querystring = strictObject(operatorQuery)
const params = z.object({ id: z.coerce.number().int().min(1).max(999_999_999) })

export function addWebhookRoutes(server: HttpServer, dependencies: WebhookRouteDependencies): void {
  addCollectionRoutes(server, dependencies)
  addItemRoutes(server, dependencies)
  addOutboxRoute(server, dependencies)
}

function addCollectionRoutes(server: HttpServer, { webhooks, authorizer }: WebhookRouteDependencies): void {
  const view = viewerOf(webhooks)
  const list = { summary: 'List endpoints', tags, querystring, response: { 200: z.object({ webhooks: z.array(endpointView) }) } }
  server.get('/v1/webhooks', { schema: list }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    return { webhooks: (await webhooks.list(account)).map(view) }
  })
  const add = { summary: 'Add an endpoint', tags, querystring, body: addBody, response: { 201: endpointWithSecretView } }
  server.post('/v1/webhooks', { schema: add }, async (request, reply) => {
    const { account } = await authorizer.requireAccount(request)
    const { endpoint, secret } = await webhooks.add(account, request.body)
    return reply.code(201).send({ ...view(endpoint), secret })
  })
}

function addItemRoutes(server: HttpServer, { webhooks, authorizer }: WebhookRouteDependencies): void {
  const shared = { tags, querystring, params }
  const view = viewerOf(webhooks)
  const requireEndpoint = async (account: number, id: number): Promise<Endpoint> => {
    const found = (await webhooks.list(account)).find(({ endpointId }) => endpointId === id)
    if (found === undefined) throw new Fault('not_found', 'no endpoint has this id')
    return found
  }
  /** Checks `If-Match`, if present. Faults: precondition_failed, not_found. */
  const readPrecondition = async (request: FastifyRequest, account: number, id: number): Promise<{ unchangedSince?: number }> => {
    if (request.headers['if-match'] === undefined) return {}
    const { updatedAt } = await requireEndpoint(account, id)
    checkIfMatch(request, toVersionTag(updatedAt))
    return { unchangedSince: updatedAt }
  }
  const detail = { ...shared, summary: 'Read one endpoint', response: { 200: endpointView } }
  server.get('/v1/webhooks/:id', { schema: detail }, async (request, reply) => {
    const { account } = await authorizer.requireAccount(request)
    const endpoint = await requireEndpoint(account, request.params.id)
    void reply.header('etag', toVersionTag(endpoint.updatedAt))
    return view(endpoint)
  })
  const change = { ...shared, summary: 'Change an endpoint', body: changeBody, response: { 200: endpointWithSecretView } }
  server.patch('/v1/webhooks/:id', { schema: change }, async (request, reply) => {
    const { account } = await authorizer.requireAccount(request)
    const { id } = request.params
    const precondition = await readPrecondition(request, account, id)
    const { endpoint, secret } = await webhooks.change(account, id, { ...request.body, ...precondition })
    void reply.header('etag', toVersionTag(endpoint.updatedAt))
    return { ...view(endpoint), secret }
  })
  const remove = { ...shared, summary: 'Remove an endpoint and the events queued for it', response: { 204: z.null() } }
  server.delete('/v1/webhooks/:id', { schema: remove }, async (request, reply) => {
    const { account } = await authorizer.requireAccount(request)
    await readPrecondition(request, account, request.params.id)
    if (!(await webhooks.remove(account, request.params.id))) throw new Fault('not_found', 'no endpoint has this id')
    return reply.code(204).send(null)
  })
}

function addOutboxRoute(server: HttpServer, { webhooks, authorizer }: WebhookRouteDependencies): void {
  const query = querystring.extend({ limit: z.coerce.number().int().min(1).max(1_000).default(100) })
  const schema = {
    summary: 'List queued and failed events',
    tags,
    querystring: query,
    params,
    response: { 200: z.object({ events: z.array(outboxRowView) }) },
  }
  server.get('/v1/webhooks/:id/outbox', { schema }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    return { events: (await webhooks.pending(account, request.params.id, request.query.limit)).map(toOutboxRowView) }
  })
}

type EndpointView = z.output<typeof endpointView>

const viewerOf =
  ({ publicKeyOf }: WebhookRouteDependencies['webhooks']) =>
  (endpoint: Endpoint): EndpointView =>
    toEndpointView(endpoint, publicKeyOf(endpoint))

function toEndpointView({ endpointId, createdAt, updatedAt, ...rest }: Endpoint, publicKey: string | null): EndpointView {
  const { url: endpointUrl, name: endpointName, events: endpointEvents, apiUsers: endpointApiUsers, format, ladder, enabled } = rest
  const times = { createdAt: toIsoTimestamp(createdAt), updatedAt: toIsoTimestamp(updatedAt) }
  return {
    id: endpointId,
    url: endpointUrl,
    name: endpointName,
    events: [...endpointEvents],
    apiUsers: [...endpointApiUsers],
    format,
    ladder,
    publicKey,
    enabled,
    ...times,
  }
}

function toOutboxRowView({ eventId, kind, state, attempts, dueAt, createdAt, error }: OutboxRow): z.output<typeof outboxRowView> {
  return { eventId, kind, state, attempts, dueAt: toIsoTimestamp(dueAt), createdAt: toIsoTimestamp(createdAt), error }
}

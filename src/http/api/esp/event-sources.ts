/**
 * event-sources - manages the email service providers whose events an account takes
 *
 * See also: service/esp/event-sources, http/api/esp/esp-events (the paths that they call), docs/EVENTS.md.
 */
import { z } from 'zod'
import { ESPS } from '../../../esp-events/esp-event.ts'
import { actorOf } from '../../../service/caller.ts'
import type { EventSourceService, EventSourceView } from '../../../service/esp/event-sources.ts'
import type { Authorizer } from '../../server/authorize.ts'
import { toIsoTimestamp } from '../../server/fact-view.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { operatorQuery, strictObject } from '../../server/schemas.ts'

type EventSourceDependencies = { readonly eventSources: EventSourceService; readonly authorizer: Authorizer }

const sourceView = z.object({
  id: z.string(),
  esp: z.enum(ESPS),
  url: z.string().describe('The URL to give to the ESP'),
  topics: z.array(z.string()).describe('SES: the SNS topics whose messages are taken'),
  createdAt: z.string(),
})
const shared = { tags: ['event-sources'], querystring: strictObject(operatorQuery) }

export function addEventSourceRoutes(server: HttpServer, dependencies: EventSourceDependencies): void {
  const { eventSources, authorizer } = dependencies
  const list = { ...shared, summary: 'List event sources', response: { 200: z.object({ sources: z.array(sourceView) }) } }
  server.get('/v1/event-sources', { schema: list }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    return { sources: (await eventSources.list(account)).map(toSourceView) }
  })
  addChangeRoutes(server, dependencies)
}

function addChangeRoutes(server: HttpServer, { eventSources, authorizer }: EventSourceDependencies): void {
  const body = strictObject({
    esp: z.enum(ESPS),
    topics: z.array(z.string().max(512)).max(20).default([]).describe('SES: the ARNs of the SNS topics'),
    key: z.string().max(2_000).optional().describe('SendGrid: the verification key. Mailgun: the HTTP webhook signing key'),
  })
  const created = sourceView.extend({
    password: z.string().nullable().describe('Postmark and SparkPost: the password of basic authentication, shown once'),
  })
  const create = { ...shared, summary: 'Add an event source', body, response: { 201: created } }
  server.post('/v1/event-sources', { schema: create, config: { permission: 'administer' } }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    const { esp, topics, key = null } = request.body
    const added = await eventSources.add({ account: caller.account, actor: actorOf(caller), esp, topics, key })
    return reply.code(201).send({ ...toSourceView(added), password: added.password })
  })
  const remove = { ...shared, summary: 'Remove an event source', params: z.object({ id: z.string().max(64) }), response: { 204: z.null() } }
  server.delete('/v1/event-sources/:id', { schema: remove, config: { permission: 'administer' } }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    await eventSources.remove({ account: caller.account, actor: actorOf(caller), sourceId: request.params.id })
    return reply.code(204).send(null)
  })
}

const toSourceView = ({ sourceId, esp, url, topics, createdAt }: EventSourceView): z.output<typeof sourceView> => ({
  id: sourceId,
  esp,
  url,
  topics: [...topics],
  createdAt: toIsoTimestamp(createdAt),
})

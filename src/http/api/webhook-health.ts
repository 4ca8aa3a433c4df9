/**
 * webhook-health - how an endpoint answers, and a test event for it
 *
 * The responses of an endpoint are untrusted text: they are returned as JSON strings and never interpreted.
 *
 * See also: service/notify/endpoint-health, service/notify/test-event, docs/WEBHOOKS.md.
 */
import { z } from 'zod'
import type { WebhookService } from '../../service/notify/webhooks.ts'
import type { Authorizer } from '../server/authorize.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

type WebhookHealthDependencies = { readonly webhooks: Pick<WebhookService, 'health' | 'test'>; readonly authorizer: Authorizer }

const healthView = z.object({
  since: z.string().describe('Attempts since then are counted, at most those of the newest 500 events'),
  accepted: z.int().describe('Attempts that the endpoint accepted'),
  refused: z.int().describe('Attempts that it did not accept'),
  medianMs: z.number().nullable().describe('Milliseconds until the answer; null if there was none'),
  p95Ms: z.number().nullable(),
  lastAcceptedAt: z.string().nullable(),
  lastRefusedAt: z.string().nullable(),
  waiting: z.int().describe('Events that are still to be sent; at most 10,001 are counted'),
  failed: z.int().describe('Events that were given up; a replay sends them again'),
  oldestWaitingAt: z.string().nullable(),
})

const testView = z.object({
  status: z.int().nullable().describe('Null if there was no response'),
  millis: z.int(),
  response: z.string().describe('The first 512 bytes of the response, or why there was none'),
})

const shared = {
  tags: ['webhooks'],
  querystring: strictObject(operatorQuery),
  params: z.object({ id: z.coerce.number().int().min(1).max(999_999_999) }),
}

export function addWebhookHealthRoutes(server: HttpServer, { webhooks, authorizer }: WebhookHealthDependencies): void {
  const health = { ...shared, summary: 'Read how an endpoint answers', response: { 200: healthView } }
  server.get('/v1/webhooks/:id/health', { schema: health }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const { since, lastAcceptedAt, lastRefusedAt, oldestWaitingAt, ...figures } = await webhooks.health(account, request.params.id)
    return {
      ...figures,
      since: toIsoTimestamp(since),
      lastAcceptedAt: toIsoTimestamp(lastAcceptedAt),
      lastRefusedAt: toIsoTimestamp(lastRefusedAt),
      oldestWaitingAt: toIsoTimestamp(oldestWaitingAt),
    }
  })
  const test = {
    ...shared,
    summary: 'Send a test event',
    response: { 200: testView },
  }
  server.post('/v1/webhooks/:id/test', { schema: test }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    return webhooks.test(account, request.params.id)
  })
}

/**
 * webhook-attempts - the delivery log of an endpoint, and the replay of its events
 *
 * The responses of an endpoint are untrusted text: they are returned as JSON strings and never interpreted.
 *
 * See also: http/api/webhooks, service/notify/webhooks, docs/WEBHOOKS.md.
 */
import { z } from 'zod'
import { WEBHOOK_EVENT_NAMES } from '../../webhook/payload.ts'
import { webhookIdOf } from '../../webhook/signature.ts'
import { Fault } from '../../errors.ts'
import { WEBHOOK_RECORD_STATES, type WebhookRecordFilters, type WebhookRecord } from '../../store/webhook/attempts.ts'
import type { ReplayRequest } from '../../service/notify/webhook-replay.ts'
import type { WebhookService } from '../../service/notify/webhooks.ts'
import type { Authorizer } from '../server/authorize.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { omitNullish } from '../server/omit-nullish.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

const timestamp = z.iso.datetime({ offset: true })

const attemptView = z.object({
  at: z.string(),
  status: z.int().nullable().describe('Null if there was no response'),
  millis: z.int().describe('Duration until the response or the timeout'),
  answer: z.string().describe('The first 512 bytes of the response, or why there was none'),
})

const webhookDeliveryView = z.object({
  eventId: z.string(),
  webhookId: z.string().describe('The `webhook-id` header; the same in all attempts'),
  event: z.string(),
  kind: z.string(),
  emailId: z.string().nullable(),
  state: z.enum(WEBHOOK_RECORD_STATES).describe('`waiting`: the next attempt is scheduled; `heard`: the endpoint accepted the event'),
  happenedAt: z.string(),
  lastAt: z.string(),
  tries: z.int(),
  attempts: z.array(attemptView).describe('The latest attempts, oldest first'),
})

const listQuery = strictObject({
  ...operatorQuery,
  state: z.enum(WEBHOOK_RECORD_STATES).optional(),
  event: z.enum(WEBHOOK_EVENT_NAMES).optional(),
  emailId: z.string().min(1).max(1_024).optional(),
  since: timestamp.optional().describe('Events at or after this time'),
  until: timestamp.optional().describe('Events before this time'),
  after: z.uuid().optional().describe('`next` of the previous page'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

const replayBody = strictObject({
  from: timestamp.optional().describe('Events at or after this time'),
  since: timestamp.optional().describe('The same as `from`'),
  until: timestamp.optional().describe('Events at or before this time'),
  events: z.array(z.enum(WEBHOOK_EVENT_NAMES)).min(1).optional(),
  after: z.string().max(80).optional().describe('`next` of the previous answer; all other fields must be the same'),
  onlyFailed: z
    .boolean()
    .optional()
    .describe('True by default without `from`. If false, events that the endpoint accepted are sent again too'),
}).nullish()

type WebhookAttemptRouteDependencies = {
  readonly webhooks: Pick<WebhookService, 'records' | 'record' | 'replay' | 'resend'>
  readonly authorizer: Authorizer
}

const tags = ['webhooks']
const id = z.coerce.number().int().min(1).max(999_999_999)

export function addWebhookAttemptRoutes(server: HttpServer, dependencies: WebhookAttemptRouteDependencies): void {
  addListRoutes(server, dependencies)
  addReplayRoutes(server, dependencies)
}

function addListRoutes(server: HttpServer, { webhooks, authorizer }: WebhookAttemptRouteDependencies): void {
  const page = z.object({ deliveries: z.array(webhookDeliveryView), next: z.string().nullable() })
  const list = {
    summary: 'List deliveries to the endpoint, newest first, with their attempts',
    tags,
    querystring: listQuery,
    params: z.object({ id }),
    response: { 200: page },
  }
  server.get('/v1/webhooks/:id/deliveries', { schema: list }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const { after, limit } = request.query
    const rows = await webhooks.records(account, request.params.id, {
      filters: toFilters(request.query),
      limit,
      after: after ?? null,
    })
    return { deliveries: rows.map(toWebhookDeliveryView), next: rows.length < limit ? null : (rows.at(-1)?.eventId ?? null) }
  })
  const params = z.object({ id, event: z.uuid() })
  const single = {
    summary: 'Read one delivery',
    tags,
    querystring: strictObject(operatorQuery),
    params,
    response: { 200: webhookDeliveryView },
  }
  server.get('/v1/webhooks/:id/deliveries/:event', { schema: single }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const delivery = await webhooks.record(account, request.params.id, request.params.event.toLowerCase())
    if (delivery === null) throw new Fault('not_found', 'there is no record of this event, or it has expired (webhooks.recordDays)')
    return toWebhookDeliveryView(delivery)
  })
}

function addReplayRoutes(server: HttpServer, { webhooks, authorizer }: WebhookAttemptRouteDependencies): void {
  const count = z.int().describe('The number of events that are queued again')
  const next = z.string().nullable().describe('If not null, there may be more events; call again with this value as `after`')
  const querystring = strictObject(operatorQuery)
  const all = {
    summary: 'Send events again',
    tags,
    querystring,
    params: z.object({ id }),
    body: replayBody,
    response: { 200: z.object({ events: count, next }) },
  }
  server.post('/v1/webhooks/:id/replay', { schema: all }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const replayed = await webhooks.replay(account, request.params.id, toReplayRequest(request.body ?? {}))
    return { events: replayed.count, next: replayed.next }
  })
  const params = z.object({ id, event: z.uuid() })
  const single = { summary: 'Send one event again', tags, querystring, params, response: { 200: z.object({ events: count }) } }
  server.post('/v1/webhooks/:id/deliveries/:event/replay', { schema: single }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const isNew = await webhooks.resend(account, request.params.id, request.params.event.toLowerCase())
    return { events: isNew ? 1 : 0 }
  })
}

function toReplayRequest(body: NonNullable<z.output<typeof replayBody>>): ReplayRequest {
  const from = body.from ?? body.since
  return {
    ...(from === undefined ? {} : { from: Date.parse(from) }),
    ...(body.until === undefined ? {} : { until: Date.parse(body.until) }),
    events: body.events ?? null,
    after: body.after ?? null,
    onlyFailed: body.onlyFailed ?? from === undefined,
  }
}

function toFilters({ state, event, emailId, since, until }: z.output<typeof listQuery>): WebhookRecordFilters {
  return omitNullish<WebhookRecordFilters>({
    state,
    emailId,
    events: event === undefined ? null : [event],
    from: since === undefined ? null : Date.parse(since),
    until: until === undefined ? null : Date.parse(until),
  })
}

function toWebhookDeliveryView(record: WebhookRecord): z.output<typeof webhookDeliveryView> {
  const { eventId, event, kind, emailId, state, happenedAt, lastAt, tries, log } = record
  return {
    eventId,
    webhookId: webhookIdOf(eventId, record),
    event,
    kind,
    emailId,
    state,
    happenedAt: toIsoTimestamp(happenedAt),
    lastAt: toIsoTimestamp(lastAt),
    tries,
    attempts: log.map(({ at, status, millis, answer }) => ({
      at: toIsoTimestamp(at),
      status: status === 0 ? null : status,
      millis,
      answer,
    })),
  }
}

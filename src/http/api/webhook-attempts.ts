/**
 * webhook-attempts - what an endpoint was sent and answered, and how to send it again
 *
 * The answers are strangers' words: they are given as JSON texts and never interpreted.
 *
 * See also: http/api/webhooks, service/notify/webhooks, docs/WEBHOOKS.md.
 */
import { z } from 'zod'
import { EVENT_NAMES } from '../../webhook/payload.ts'
import { webhookIdOf } from '../../webhook/signature.ts'
import { Fault } from '../../errors.ts'
import { RECORD_STATES, type RecordFilters, type WebhookRecord } from '../../store/webhook/attempts.ts'
import type { ReplayWish } from '../../service/notify/webhook-replay.ts'
import { isoOf } from '../server/fact-view.ts'
import type { Web } from '../server/server.ts'
import { given } from '../read-services.ts'
import { operatorQuery, strict } from '../server/schemas.ts'
import type { WebhookRoutes } from './webhooks.ts'

const moment = z.iso.datetime({ offset: true })

const attempt = z.object({
  at: z.string(),
  status: z.int().nullable().describe('Null: no answer came'),
  millis: z.int().describe('Until the answer, or until it was given up'),
  answer: z.string().describe('Its first 512 bytes, or why none came'),
})

const recordView = z.object({
  eventId: z.string(),
  webhookId: z.string().describe('The header `webhook-id`: the same over all attempts'),
  event: z.string(),
  kind: z.string(),
  emailId: z.string().nullable(),
  state: z.enum(RECORD_STATES).describe('`waiting`: for its next attempt'),
  happenedAt: z.string(),
  lastAt: z.string(),
  tries: z.int(),
  attempts: z.array(attempt).describe('The last of them, oldest first'),
})

const listQuery = strict({
  ...operatorQuery,
  state: z.enum(RECORD_STATES).optional(),
  event: z.enum(EVENT_NAMES).optional(),
  emailId: z.string().min(1).max(1_024).optional(),
  since: moment.optional().describe('Happened at or after'),
  until: moment.optional().describe('Happened before'),
  after: z.uuid().optional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

const replayBody = strict({
  from: moment.optional().describe('Happened at or after'),
  since: moment.optional().describe('The same'),
  until: moment.optional().describe('Happened at or before'),
  events: z.array(z.enum(EVENT_NAMES)).min(1).optional(),
  after: z.string().max(80).optional().describe('`next` of the answer before, with all else as it was'),
  onlyFailed: z.boolean().optional().describe('Default: true without `from`, else false: what was heard is sent again too'),
}).nullish()

const tags = ['webhooks']
const id = z.coerce.number().int().min(1).max(999_999_999)

export function addWebhookRecords(server: Web, routes: WebhookRoutes): void {
  addList(server, routes)
  addReplay(server, routes)
}

function addList(server: Web, { desk, guard }: WebhookRoutes): void {
  const page = z.object({ deliveries: z.array(recordView), next: z.string().nullable() })
  const list = {
    summary: 'What was sent, newest first, with each attempt and answer',
    tags,
    querystring: listQuery,
    params: z.object({ id }),
    response: { 200: page },
  }
  server.get('/v1/webhooks/:id/deliveries', { schema: list }, async (request) => {
    const { account } = await guard.account(request)
    const { after, limit } = request.query
    const rows = await desk.webhooks.records(account, request.params.id, {
      filters: filtersOf(request.query),
      limit,
      after: after ?? null,
    })
    return { deliveries: rows.map(view), next: rows.length < limit ? null : (rows.at(-1)?.eventId ?? null) }
  })
  const params = z.object({ id, event: z.uuid() })
  const one = { summary: 'One of them', tags, querystring: strict(operatorQuery), params, response: { 200: recordView } }
  server.get('/v1/webhooks/:id/deliveries/:event', { schema: one }, async (request) => {
    const { account } = await guard.account(request)
    const found = await desk.webhooks.record(account, request.params.id, request.params.event.toLowerCase())
    if (found === null) throw new Fault('not_found', 'there is no record of this event (webhooks.recordDays)')
    return view(found)
  })
}

function addReplay(server: Web, { desk, guard }: WebhookRoutes): void {
  const count = z.int().describe('How many wait again')
  const next = z.string().nullable().describe('Not null: there may be more; ask again with it as `after`')
  const querystring = strict(operatorQuery)
  const all = {
    summary: 'Send again what has failed or was heard',
    tags,
    querystring,
    params: z.object({ id }),
    body: replayBody,
    response: { 200: z.object({ events: count, next }) },
  }
  server.post('/v1/webhooks/:id/replay', { schema: all }, async (request) => {
    const { account } = await guard.account(request)
    const replayed = await desk.webhooks.replay(account, request.params.id, wishOf(request.body ?? {}))
    return { events: replayed.count, next: replayed.next }
  })
  const params = z.object({ id, event: z.uuid() })
  const one = { summary: 'Send one event again', tags, querystring, params, response: { 200: z.object({ events: count }) } }
  server.post('/v1/webhooks/:id/deliveries/:event/replay', { schema: one }, async (request) => {
    const { account } = await guard.account(request)
    const isNew = await desk.webhooks.resend(account, request.params.id, request.params.event.toLowerCase())
    return { events: isNew ? 1 : 0 }
  })
}

function wishOf(body: NonNullable<z.output<typeof replayBody>>): ReplayWish {
  const from = body.from ?? body.since
  return {
    ...(from === undefined ? {} : { from: Date.parse(from) }),
    ...(body.until === undefined ? {} : { until: Date.parse(body.until) }),
    events: body.events ?? null,
    after: body.after ?? null,
    onlyFailed: body.onlyFailed ?? from === undefined,
  }
}

function filtersOf({ state, event, emailId, since, until }: z.output<typeof listQuery>): RecordFilters {
  return given<RecordFilters>({
    state,
    emailId,
    events: event === undefined ? null : [event],
    from: since === undefined ? null : Date.parse(since),
    until: until === undefined ? null : Date.parse(until),
  })
}

function view(record: WebhookRecord): z.output<typeof recordView> {
  const { eventId, event, kind, emailId, state, happenedAt, lastAt, tries, log } = record
  return {
    eventId,
    webhookId: webhookIdOf(eventId, record),
    event,
    kind,
    emailId,
    state,
    happenedAt: isoOf(happenedAt),
    lastAt: isoOf(lastAt),
    tries,
    attempts: log.map(({ at, status, millis, answer }) => ({ at: isoOf(at), status: status === 0 ? null : status, millis, answer })),
  }
}

/**
 * queue-commands - what people may do to the delivery queue: pause, recover, set a rate, delete what waits; warm up an IP, open a key
 *
 * An account moves its own lanes, and opens what is its own; the operator names an account, or a key, or an IP. Every order is audited. The
 * answer is 200 where the delivering node has carried it out, 202 with `state: pending` where it has not yet; then its id tells later.
 *
 * See also: service/deliver/queue-api, queue/schedule/operator-commands, http/api/queue (how it stands).
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import { keyKindOf } from '../../queue/backoff/backoff-key.ts'
import { MAX_MANUAL_PAUSE_MS, type OperatorCommand } from '../../queue/schedule/operator-commands.ts'
import type { QueueCommand } from '../../store/queue/commands.ts'
import { actorOf, type Caller } from '../../service/caller.ts'
import type { Services } from '../services.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { QueueRouteDependencies } from './queue.ts'
import type { HttpServer } from '../server/http-server.ts'
import { domainName, operatorQuery, strictObject } from '../server/schemas.ts'

const timestamp = z.iso.datetime({ offset: true })
const how = z
  .enum(['immediate', 'probe'])
  .default('immediate')
  .describe('immediate: at a tenth of the rate before; probe: five mails first')
const domain = domainName.nullable().default(null).describe('The receiving domain; null: all of them')

const pauseBody = strictObject({
  domain,
  until: timestamp.nullable().default(null).describe('At most 15 days ahead; null: 15 days'),
  after15Days: z.enum(['keep', 'delete']).default('keep').describe('What becomes of the mail where no end was given'),
})
const recoverBody = strictObject({ domain, how })
const rateBody = strictObject({
  domain: domainName,
  perMinute: z.number().positive().max(1_000_000).nullable().describe('Mails a minute; null: no limit'),
})
const deleteBody = strictObject({
  domain,
  since: timestamp.optional().describe('Accepted at or after'),
  until: timestamp.optional().describe('Accepted before'),
  all: z.literal(true).optional().describe('Say so to delete all that waits'),
}).refine((body) => body.domain !== null || body.since !== undefined || body.until !== undefined || body.all === true, {
  error: 'name a domain or a time, or say "all": true',
})
const warmUpBody = strictObject({
  egressIp: z.union([z.ipv4(), z.ipv6()]),
  startedAt: timestamp.nullable().optional().describe('When its first day was; left out: now; null: it is warm'),
})
const keyBody = strictObject({
  key: z
    .string()
    .max(1_000)
    .refine((key) => keyKindOf(key) !== null, 'must be a key, like ip|192.0.2.1|google'),
  how,
})

const orderResponse = z.object({
  id: z.string(),
  order: z.string(),
  state: z.enum(['done', 'pending']).describe('pending: it is carried out as soon as the delivering node sees it'),
  createdAt: z.string(),
  settledAt: z.string().nullable(),
  moved: z.int().describe('Keys and manual pauses that moved'),
  deleted: z.int().describe('Mails that were deleted'),
  note: z.string().nullable(),
})
const orderDetailResponse = orderResponse.extend({ state: z.enum(['done', 'pending', 'refused']) })

const tags = ['queue']
const querystring = strictObject(operatorQuery)
const response = { 200: orderResponse, 202: orderResponse }

export function addQueueCommandRoutes(server: HttpServer, dependencies: QueueRouteDependencies): void {
  addLaneCommandRoutes(server, dependencies)
  addOperatorCommandRoutes(server, dependencies)
  const params = z.object({ id: z.guid() })
  const detail = { summary: 'What became of an order', tags, params, querystring, response: { 200: orderDetailResponse } }
  server.get('/v1/queue/orders/:id', { schema: detail }, async (request) => {
    const caller = await dependencies.authorizer.requireAccountOrOperator(request)
    const command = await dependencies.services.queue.findCommand(caller?.account ?? 0, request.params.id)
    if (command === null) throw new Fault('not_found', 'no order has this id')
    return toOrderView(command, command.state === 'waiting' ? 'pending' : command.state, null)
  })
}

function addLaneCommandRoutes(server: HttpServer, { services, authorizer }: QueueRouteDependencies): void {
  const submitCommand = async (request: FastifyRequest, reply: FastifyReply, createCommand: (caller: Caller) => OperatorCommand) => {
    const caller = await authorizer.requireAccount(request)
    return sendCommand(services, reply, { account: caller.account, actor: actorOf(caller), command: createCommand(caller) })
  }
  const pause = { summary: 'Pause, for at most 15 days', tags, querystring, body: pauseBody, response }
  server.post('/v1/queue/pause', { schema: pause }, (request, reply) =>
    submitCommand(request, reply, ({ account }) => toPauseCommand(account, request.body, services.now())),
  )
  const recover = { summary: 'Go on at once, or by a probe', tags, querystring, body: recoverBody, response }
  server.post('/v1/queue/recover', { schema: recover }, (request, reply) =>
    submitCommand(request, reply, ({ account, isOperator: byOperator }) => {
      const ownLimit = byOperator === true ? {} : { onlyOwn: true as const }
      return { kind: 'recover', account, domain: request.body.domain, how: request.body.how, ...ownLimit }
    }),
  )
  const rate = { summary: 'Set the rate of a lane', tags, querystring, body: rateBody, response }
  server.post('/v1/queue/rate', { schema: rate }, (request, reply) =>
    submitCommand(request, reply, ({ account }) => ({
      kind: 'rate',
      account,
      domain: request.body.domain,
      perMinute: request.body.perMinute,
    })),
  )
  const remove = { summary: 'Delete mail that waits', tags, querystring, body: deleteBody, response }
  server.post('/v1/queue/delete', { schema: remove }, (request, reply) =>
    submitCommand(request, reply, ({ account }) => toDeleteCommand(account, request.body, services.now())),
  )
}

function addOperatorCommandRoutes(server: HttpServer, { services, authorizer }: QueueRouteDependencies): void {
  const submitCommand = async (request: FastifyRequest, reply: FastifyReply, command: OperatorCommand) => {
    await authorizer.requireOperator(request)
    return sendCommand(services, reply, { account: 0, actor: 'operator', command })
  }
  const emptyQuery = strictObject({})
  const warmUp = { summary: 'An IP begins its warm-up, or ends it', tags, querystring: emptyQuery, body: warmUpBody, response }
  server.post('/v1/queue/warm-up', { schema: warmUp }, (request, reply) => {
    const { egressIp, startedAt } = request.body
    const start = startedAt === null ? null : startedAt === undefined ? services.now() : Date.parse(startedAt)
    return submitCommand(request, reply, { kind: 'warm-up', egressIp, startedAt: start })
  })
  const key = { summary: 'Open one key, whoever waits behind it', tags, querystring: emptyQuery, body: keyBody, response }
  server.post('/v1/queue/recover-key', { schema: key }, (request, reply) =>
    submitCommand(request, reply, { kind: 'recover-key', key: request.body.key, how: request.body.how }),
  )
}

/** Said here, and not only by the node that delivers: so that who asks hears it at once. */
function toPauseCommand(account: number, body: z.output<typeof pauseBody>, now: number): OperatorCommand {
  const until = body.until === null ? null : Date.parse(body.until)
  if (until !== null && until <= now) throw new Fault('bad_request', 'until: must lie ahead')
  if (until !== null && until > now + MAX_MANUAL_PAUSE_MS) throw new Fault('bad_request', 'until: a pause lasts at most 15 days')
  return { kind: 'pause', account, domain: body.domain, until, after15Days: body.after15Days }
}

function toDeleteCommand(account: number, body: z.output<typeof deleteBody>, now: number): OperatorCommand {
  const from = body.since === undefined ? 0 : Date.parse(body.since)
  const until = body.until === undefined ? now : Date.parse(body.until)
  if (from >= until) throw new Fault('bad_request', 'since: must lie before until')
  return { kind: 'delete', account, domain: body.domain, from, until }
}

async function sendCommand(services: Services, reply: FastifyReply, commandRequest: Parameters<Services['queue']['submitCommand']>[0]) {
  const command = await services.queue.submitCommand(commandRequest)
  if (command.state === 'refused') throw new Fault('bad_request', command.said ?? 'the queue cannot do that')
  const isDone = command.state === 'done'
  const { delivering } = isDone ? { delivering: true } : await services.queue.deliveryStatus()
  const note = delivering ? null : 'no node delivers at the moment; the one that begins carries it out'
  return reply.code(isDone ? 200 : 202).send(toOrderView(command, isDone ? 'done' : 'pending', note))
}

function toOrderView<S extends string>(command: QueueCommand, state: S, note: string | null) {
  const { commandId: id, createdAt, settledAt, moved, deleted, said } = command
  const times = { createdAt: toIsoTimestamp(createdAt), settledAt: toIsoTimestamp(settledAt) }
  return { id, order: command.command.kind, state, ...times, moved, deleted, note: said ?? note }
}

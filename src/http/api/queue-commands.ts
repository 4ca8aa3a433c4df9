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
import { kindOf } from '../../queue/backoff/backoff-key.ts'
import { LONGEST_MANUAL_PAUSE, type Command } from '../../queue/schedule/operator-commands.ts'
import type { QueueCommand } from '../../store/queue/commands.ts'
import { actorOf, type Asker } from '../../service/submit/register.ts'
import type { Desk } from '../services.ts'
import { isoOf } from '../server/fact-view.ts'
import type { QueueRoutes } from './queue.ts'
import type { Web } from '../server/server.ts'
import { domainName, operatorQuery, strict } from '../server/schemas.ts'

const moment = z.iso.datetime({ offset: true })
const how = z
  .enum(['immediate', 'probe'])
  .default('immediate')
  .describe('immediate: at a tenth of the rate before; probe: five mails first')
const domain = domainName.nullable().default(null).describe('The receiving domain; null: all of them')

const pauseBody = strict({
  domain,
  until: moment.nullable().default(null).describe('At most 15 days ahead; null: 15 days'),
  after15Days: z.enum(['keep', 'delete']).default('keep').describe('What becomes of the mail where no end was given'),
})
const recoverBody = strict({ domain, how })
const rateBody = strict({
  domain: domainName,
  perMinute: z.number().positive().max(1_000_000).nullable().describe('Mails a minute; null: no limit'),
})
const deleteBody = strict({
  domain,
  since: moment.optional().describe('Accepted at or after'),
  until: moment.optional().describe('Accepted before'),
  all: z.literal(true).optional().describe('Say so to delete all that waits'),
}).refine((body) => body.domain !== null || body.since !== undefined || body.until !== undefined || body.all === true, {
  error: 'name a domain or a time, or say "all": true',
})
const warmUpBody = strict({
  egressIp: z.union([z.ipv4(), z.ipv6()]),
  startedAt: moment.nullable().optional().describe('When its first day was; left out: now; null: it is warm'),
})
const keyBody = strict({
  key: z
    .string()
    .max(1_000)
    .refine((key) => kindOf(key) !== null, 'must be a key, like ip|192.0.2.1|google'),
  how,
})

const answer = z.object({
  id: z.string(),
  order: z.string(),
  state: z.enum(['done', 'pending']).describe('pending: it is carried out as soon as the delivering node sees it'),
  createdAt: z.string(),
  settledAt: z.string().nullable(),
  moved: z.int().describe('Keys and manual pauses that moved'),
  deleted: z.int().describe('Mails that were deleted'),
  note: z.string().nullable(),
})
const found = answer.extend({ state: z.enum(['done', 'pending', 'refused']) })

const tags = ['queue']
const querystring = strict(operatorQuery)
const response = { 200: answer, 202: answer }

export function addQueueOrders(server: Web, routes: QueueRoutes): void {
  addLaneOrders(server, routes)
  addOperatorOrders(server, routes)
  const params = z.object({ id: z.guid() })
  const one = { summary: 'What became of an order', tags, params, querystring, response: { 200: found } }
  server.get('/v1/queue/orders/:id', { schema: one }, async (request) => {
    const asker = await routes.guard.anyone(request)
    const command = await routes.desk.queue.found(asker?.account ?? 0, request.params.id)
    if (command === null) throw new Fault('not_found', 'no order has this id')
    return view(command, command.state === 'waiting' ? 'pending' : command.state, null)
  })
}

function addLaneOrders(server: Web, { desk, guard }: QueueRoutes): void {
  const ask = async (request: FastifyRequest, reply: FastifyReply, make: (asker: Asker) => Command) => {
    const asker = await guard.account(request)
    return tell(desk, reply, { account: asker.account, actor: actorOf(asker), command: make(asker) })
  }
  const pause = { summary: 'Pause, for at most 15 days', tags, querystring, body: pauseBody, response }
  server.post('/v1/queue/pause', { schema: pause }, (request, reply) =>
    ask(request, reply, ({ account }) => pauseOf(account, request.body, desk.now())),
  )
  const recover = { summary: 'Go on at once, or by a probe', tags, querystring, body: recoverBody, response }
  server.post('/v1/queue/recover', { schema: recover }, (request, reply) =>
    ask(request, reply, ({ account, byOperator }) => {
      const own = byOperator === true ? {} : { onlyOwn: true as const }
      return { kind: 'recover', account, domain: request.body.domain, how: request.body.how, ...own }
    }),
  )
  const rate = { summary: 'Set the rate of a lane', tags, querystring, body: rateBody, response }
  server.post('/v1/queue/rate', { schema: rate }, (request, reply) =>
    ask(request, reply, ({ account }) => ({ kind: 'rate', account, domain: request.body.domain, perMinute: request.body.perMinute })),
  )
  const remove = { summary: 'Delete mail that waits', tags, querystring, body: deleteBody, response }
  server.post('/v1/queue/delete', { schema: remove }, (request, reply) =>
    ask(request, reply, ({ account }) => deleteOf(account, request.body, desk.now())),
  )
}

function addOperatorOrders(server: Web, { desk, guard }: QueueRoutes): void {
  const ask = async (request: FastifyRequest, reply: FastifyReply, command: Command) => {
    await guard.operator(request)
    return tell(desk, reply, { account: 0, actor: 'operator', command })
  }
  const none = strict({})
  const warmUp = { summary: 'An IP begins its warm-up, or ends it', tags, querystring: none, body: warmUpBody, response }
  server.post('/v1/queue/warm-up', { schema: warmUp }, (request, reply) => {
    const { egressIp, startedAt } = request.body
    const start = startedAt === null ? null : startedAt === undefined ? desk.now() : Date.parse(startedAt)
    return ask(request, reply, { kind: 'warm-up', egressIp, startedAt: start })
  })
  const key = { summary: 'Open one key, whoever waits behind it', tags, querystring: none, body: keyBody, response }
  server.post('/v1/queue/recover-key', { schema: key }, (request, reply) =>
    ask(request, reply, { kind: 'recover-key', key: request.body.key, how: request.body.how }),
  )
}

/** Said here, and not only by the node that delivers: so that who asks hears it at once. */
function pauseOf(account: number, body: z.output<typeof pauseBody>, now: number): Command {
  const until = body.until === null ? null : Date.parse(body.until)
  if (until !== null && until <= now) throw new Fault('bad_request', 'until: must lie ahead')
  if (until !== null && until > now + LONGEST_MANUAL_PAUSE) throw new Fault('bad_request', 'until: a pause lasts at most 15 days')
  return { kind: 'pause', account, domain: body.domain, until, after15Days: body.after15Days }
}

function deleteOf(account: number, body: z.output<typeof deleteBody>, now: number): Command {
  const from = body.since === undefined ? 0 : Date.parse(body.since)
  const until = body.until === undefined ? now : Date.parse(body.until)
  if (from >= until) throw new Fault('bad_request', 'since: must lie before until')
  return { kind: 'delete', account, domain: body.domain, from, until }
}

async function tell(desk: Desk, reply: FastifyReply, order: Parameters<Desk['queue']['order']>[0]) {
  const command = await desk.queue.order(order)
  if (command.state === 'refused') throw new Fault('bad_request', command.said ?? 'the queue cannot do that')
  const isDone = command.state === 'done'
  const { delivering } = isDone ? { delivering: true } : await desk.queue.delivery()
  const note = delivering ? null : 'no node delivers at the moment; the one that begins carries it out'
  return reply.code(isDone ? 200 : 202).send(view(command, isDone ? 'done' : 'pending', note))
}

function view<S extends string>(command: QueueCommand, state: S, note: string | null) {
  const { commandId: id, createdAt, settledAt, moved, deleted, said } = command
  const times = { createdAt: isoOf(createdAt), settledAt: isoOf(settledAt) }
  return { id, order: command.command.kind, state, ...times, moved, deleted, note: said ?? note }
}

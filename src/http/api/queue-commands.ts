/**
 * queue-commands - commands for the delivery queue: pause, recover, set a rate, delete messages, warm up an egress IP, recover a backoff key
 *
 * An account controls its own lanes and recovers its own backoff keys; the operator names an account, a key or an egress IP. Every command is
 * audited. The answer is 200 if all delivering nodes have executed the command, or 202 with `state: pending` if they have not; query the ID later.
 *
 * See also: service/deliver/queue-api, queue/schedule/operator-commands, http/api/queue (reads the queue).
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import { keyReasonOf } from '../../queue/backoff/backoff-key.ts'
import { MAX_MANUAL_PAUSE_MS, type OperatorCommand } from '../../queue/schedule/operator-commands.ts'
import type { QueueCommand } from '../../store/queue/commands.ts'
import { actorOf, type Caller } from '../../service/caller.ts'
import type { QueueApi } from '../../service/deliver/queue-api.ts'
import type { Authorizer } from '../server/authorize.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { domainName, operatorQuery, strictObject } from '../server/schemas.ts'

type QueueCommandRouteDependencies = {
  readonly queue: Pick<QueueApi, 'submitCommand' | 'findCommand' | 'findDeletion' | 'deliveryStatus'>
  readonly authorizer: Authorizer
  readonly now: () => number
}

const timestamp = z.iso.datetime({ offset: true })
const how = z
  .enum(['immediate', 'probe'])
  .default('immediate')
  .describe('immediate: restart at a tenth of the previous rate; probe: send five messages first')
const domain = domainName.nullable().default(null).describe('The recipient domain; null for all domains')
const label = z.int().positive().optional().describe('Only the messages with this label: its number, from GET /v1/account/labels')

const pauseBody = strictObject({
  domain,
  label,
  until: timestamp.nullable().default(null).describe('The end of the pause, at most 15 days ahead; null for 15 days'),
  after15Days: z.enum(['keep', 'delete']).default('keep').describe('What happens to the messages when a pause without an end expires'),
})
const recoverBody = strictObject({ domain, label: label.describe('Only the pauses of this label: its number'), how })
const rateBody = strictObject({
  domain: domainName,
  perMinute: z.number().positive().max(1_000_000).nullable().describe('Messages per minute; null for no limit'),
})
/** Whether a request says what to delete. */
const namesMail = (body: Partial<Record<'domain' | 'label' | 'emailId' | 'since' | 'until', unknown>>): boolean =>
  [body.domain ?? undefined, body.label, body.emailId, body.since, body.until].some((each) => each !== undefined)

const deleteBody = strictObject({
  domain,
  label,
  emailId: z.string().min(1).max(1_024).optional().describe('Only this message'),
  since: timestamp.optional().describe('Accepted at or after this time'),
  until: timestamp.optional().describe('Accepted before this time'),
  all: z.literal(true).optional().describe('Required to delete all queued messages'),
})
  .refine((body) => body.all === true || namesMail(body), { error: 'set a domain, a label, a time or an emailId, or "all": true' })
  .refine(({ emailId, ...body }) => emailId === undefined || (body.all === undefined && !namesMail(body)), {
    error: 'an emailId names one message: set nothing besides',
  })
const warmUpBody = strictObject({
  egressIp: z.union([z.ipv4(), z.ipv6()]),
  startedAt: timestamp.nullable().optional().describe('The first day of the warm-up; now by default; null to end the warm-up'),
})
const keyBody = strictObject({
  key: z
    .string()
    .max(1_000)
    .refine((key) => keyReasonOf(key) !== null, 'must be a backoff key, such as ip|192.0.2.1|google'),
  how,
})

const commandResponse = z.object({
  id: z.string(),
  order: z.string(),
  state: z.enum(['done', 'pending']).describe('pending: not all delivering nodes have executed the command yet'),
  createdAt: z.string(),
  settledAt: z.string().nullable(),
  moved: z.int().describe('The number of backoff keys and manual pauses that changed'),
  deleted: z.int().describe('The number of deleted messages'),
  note: z.string().nullable(),
})
const commandDetailResponse = commandResponse.extend({ state: z.enum(['done', 'pending', 'refused']) })

const tags = ['queue']
const querystring = strictObject(operatorQuery)
const response = { 200: commandResponse, 202: commandResponse }

export function addQueueCommandRoutes(server: HttpServer, dependencies: QueueCommandRouteDependencies): void {
  addLaneCommandRoutes(server, dependencies)
  addOperatorCommandRoutes(server, dependencies)
  const params = z.object({ id: z.guid() })
  const detail = { summary: 'Read the state of a queue command', tags, params, querystring, response: { 200: commandDetailResponse } }
  server.get('/v1/queue/orders/:id', { schema: detail }, async (request) => {
    const caller = await dependencies.authorizer.requireAccountOrOperator(request)
    const command = await dependencies.queue.findCommand(caller?.account ?? 0, request.params.id)
    if (command === null) throw new Fault('not_found', 'no queue command has this id')
    return toCommandView(command, command.state === 'waiting' ? 'pending' : command.state, null)
  })
}

function addLaneCommandRoutes(server: HttpServer, { queue, authorizer, now }: QueueCommandRouteDependencies): void {
  const submitCommand = async (request: FastifyRequest, reply: FastifyReply, createCommand: (caller: Caller) => OperatorCommand) => {
    const caller = await authorizer.requireAccount(request)
    return sendCommand(queue, reply, { account: caller.account, actor: actorOf(caller), command: createCommand(caller) })
  }
  const pause = { summary: 'Pause sending, for at most 15 days', tags, querystring, body: pauseBody, response }
  server.post('/v1/queue/pause', { schema: pause }, (request, reply) =>
    submitCommand(request, reply, ({ account }) => toPauseCommand(account, request.body, now())),
  )
  const recover = { summary: 'Resume sending, immediately or with a probe', tags, querystring, body: recoverBody, response }
  server.post('/v1/queue/recover', { schema: recover }, (request, reply) =>
    submitCommand(request, reply, ({ account, isOperator: byOperator }) => {
      const ownLimit = byOperator === true ? {} : { onlyOwn: true as const }
      const { domain: to, label: of, how: mode } = request.body
      return { kind: 'recover', account, domain: to, how: mode, ...(of === undefined ? {} : { label: of }), ...ownLimit }
    }),
  )
  const rate = { summary: 'Set the rate limit of a lane', tags, querystring, body: rateBody, response }
  server.post('/v1/queue/rate', { schema: rate }, (request, reply) =>
    submitCommand(request, reply, ({ account }) => ({
      kind: 'rate',
      account,
      domain: request.body.domain,
      perMinute: request.body.perMinute,
    })),
  )
  const remove = { summary: 'Delete queued messages', tags, querystring, body: deleteBody, response }
  server.post('/v1/queue/delete', { schema: remove }, async (request, reply) => {
    const { emailId } = request.body
    if (emailId === undefined) return submitCommand(request, reply, ({ account }) => toDeleteCommand(account, request.body, now()))
    const caller = await authorizer.requireAccount(request)
    const command = await queue.findDeletion(caller.account, emailId)
    return sendCommand(queue, reply, { account: caller.account, actor: actorOf(caller), command })
  })
}

function addOperatorCommandRoutes(server: HttpServer, { queue, authorizer, now }: QueueCommandRouteDependencies): void {
  const submitCommand = async (request: FastifyRequest, reply: FastifyReply, command: OperatorCommand) => {
    const { actor } = await authorizer.requireOperator(request)
    return sendCommand(queue, reply, { account: 0, actor, command })
  }
  const emptyQuery = strictObject({})
  const warmUp = { summary: 'Start or end the warm-up of an egress IP', tags, querystring: emptyQuery, body: warmUpBody, response }
  server.post('/v1/queue/warm-up', { schema: warmUp }, (request, reply) => {
    const { egressIp, startedAt } = request.body
    const start = startedAt === null ? null : startedAt === undefined ? now() : Date.parse(startedAt)
    return submitCommand(request, reply, { kind: 'warm-up', egressIp, startedAt: start })
  })
  const key = {
    summary: 'Recover one backoff key, for all accounts that it affects',
    tags,
    querystring: emptyQuery,
    body: keyBody,
    response,
  }
  server.post('/v1/queue/recover-key', { schema: key }, (request, reply) =>
    submitCommand(request, reply, { kind: 'recover-key', key: request.body.key, how: request.body.how }),
  )
}

/** Validates here as well as on the delivering node, so that the client gets the error at once. Faults: bad_request. */
function toPauseCommand(account: number, body: z.output<typeof pauseBody>, now: number): OperatorCommand {
  const until = body.until === null ? null : Date.parse(body.until)
  if (until !== null && until <= now) throw new Fault('bad_request', 'until: must be in the future')
  if (until !== null && until > now + MAX_MANUAL_PAUSE_MS) throw new Fault('bad_request', 'until: a pause lasts at most 15 days')
  const ofLabel = body.label === undefined ? {} : { label: body.label }
  return { kind: 'pause', account, domain: body.domain, ...ofLabel, until, after15Days: body.after15Days }
}

function toDeleteCommand(account: number, body: z.output<typeof deleteBody>, now: number): OperatorCommand {
  const from = body.since === undefined ? 0 : Date.parse(body.since)
  const until = body.until === undefined ? now : Date.parse(body.until)
  if (from >= until) throw new Fault('bad_request', 'since: must be before until')
  const scope = { kind: 'delete', account, domain: body.domain } as const
  return body.label === undefined ? { ...scope, from, until } : { ...scope, label: body.label, accepted: { from, until } }
}

/** Submits a command and sends its state. Faults: bad_request (the queue refused it). */
async function sendCommand(
  queue: QueueCommandRouteDependencies['queue'],
  reply: FastifyReply,
  commandRequest: Parameters<QueueApi['submitCommand']>[0],
) {
  const command = await queue.submitCommand(commandRequest)
  if (command.state === 'refused') throw new Fault('bad_request', command.said ?? 'the queue refused this command')
  const isDone = command.state === 'done'
  const { delivering } = isDone ? { delivering: true } : await queue.deliveryStatus()
  const note = delivering ? null : 'no node is delivering; the next node that starts will execute the command'
  return reply.code(isDone ? 200 : 202).send(toCommandView(command, isDone ? 'done' : 'pending', note))
}

function toCommandView<S extends string>(command: QueueCommand, state: S, note: string | null) {
  const { commandId: id, createdAt, settledAt, moved, deleted, said } = command
  const times = { createdAt: toIsoTimestamp(createdAt), settledAt: toIsoTimestamp(settledAt) }
  return { id, order: command.command.kind, state, ...times, moved, deleted, note: said ?? note }
}

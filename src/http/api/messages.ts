/**
 * messages - mails that are to be sent, and what became of each
 *
 * POST registers one mail to one or many recipients and answers what each copy must carry. GET tells one copy's status and its timeline
 * of facts with their evidence.
 *
 * See also: service/submit/register, http/server/fact-view.
 */
import { z } from 'zod'
import { knowAddress } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { Registration } from '../../service/submit/register.ts'
import type { Desk, StatusQuery } from '../services.ts'
import { eventSchema, isoOf, viewFact } from '../server/fact-view.ts'
import type { Guard } from '../server/authorize.ts'
import type { Web } from '../server/server.ts'
import { operatorQuery, strict } from '../server/schemas.ts'

// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f]/

/** One line: a line end would start a header of the writer's choice. RFC 5322 §2.1.1 allows 998. */
const headerText = z
  .string()
  .max(998)
  .refine((text) => !CONTROLS.test(text), 'must be one line without controls')
const headerName = z
  .string()
  .max(76)
  .regex(/^[!-9;-~]+$/, 'must be a header name')

/** Longer is no address (RFC 5321 §4.5.3.1: 64 + 1 + 255); what is merely ill-formed is registered and answers 404. */
const address = z.string().min(1).max(1_000)

const recipient = z.union([
  address,
  strict({
    recipient: address.nullable(),
    contactTypes: z.array(z.string().max(64)).max(32).optional(),
    token: z.string().min(30).max(320).optional().describe('Signed offline: the mail has its name already'),
    returnPath: z.string().min(30).max(320).optional().describe('The same, as the Return-Path that it stands in'),
  }).refine(({ token, returnPath }) => token === undefined || returnPath === undefined, 'token or returnPath, not both'),
])

const registration = (recipientsPerRequest: number) =>
  strict({
    from: z
      .string()
      .min(3)
      .max(998)
      .refine((text) => !CONTROLS.test(text) && knowAddress(text) !== null, 'must hold an address')
      .describe('From of the mail'),
    subject: headerText.default(''),
    recipients: z.array(recipient).min(1).max(recipientsPerRequest, `at most ${recipientsPerRequest} (limits.recipientsPerRequest)`),
    label: z
      .string()
      .min(1)
      .max(128)
      .regex(/^\P{Cc}*$/u, 'control characters have no place in a name')
      .optional(),
    broadcast: z.string().min(1).max(128).optional().describe('Names a broadcast: an address counts once in it'),
    emailType: z.enum(['trigger', 'batch']).default('trigger'),
    headers: z.record(headerName, headerText).optional().describe('Your own headers; they come back in webhooks and exports'),
  })

const registered = z.object({
  messageId: z.string(),
  recipients: z.array(
    z.object({
      recipient: z.string().nullable(),
      emailId: z.string(),
      returnPath: z.string().describe('MAIL FROM for this copy'),
      messageIdHeader: z.string(),
      feedbackId: z.string(),
      headers: z.record(z.string(), z.string()).describe('Headers that this copy must carry'),
      status: z.int().describe('18, or 4: do not send (one of our lists answered, no address, or the broadcast has it already)'),
      subStatus: z.int().nullable(),
    }),
  ),
})

const message = z.object({
  emailId: z.string().nullable(),
  messageId: z.string().nullable(),
  recipient: z.string().nullable(),
  from: z.string(),
  subject: z.string(),
  label: z.string().nullable(),
  broadcast: z.string().nullable(),
  emailType: z.string(),
  requestedAt: z.string(),
  modifiedAt: z.string(),
  status: z.int().describe('18 sending, 1 delivered, 4 invalid email, 5 soft bounce'),
  subStatus: z.int().nullable(),
  asynchronousBounce: z.boolean(),
  reason: z.string().nullable(),
  permanence: z.string().nullable(),
  fault: z.string().nullable().describe('Whose fault: clean lists by `recipient`'),
  billable: z.boolean().describe('False when our own bounce list answered, or a broadcast left it out'),
  weak: z.boolean(),
  forwarded: z.boolean(),
  rule: z.string().nullable(),
  sendLog: z.string().describe('The words behind the status'),
  result: z.string().describe('The broadcast view'),
  deliveredAt: z.string().nullable(),
  openedAt: z.string().nullable(),
  registered: z.boolean(),
})

const timeline = z.object({
  ...message.shape,
  events: z.array(eventSchema),
})

export type MessageRoutes = { readonly desk: Desk; readonly guard: Guard; readonly recipientsPerRequest: number }

export function addMessages(server: Web, routes: MessageRoutes): void {
  const { desk, guard, recipientsPerRequest } = routes
  addSearch(server, routes)
  const body = registration(recipientsPerRequest)
  server.post(
    '/v1/messages',
    {
      schema: {
        summary: 'Register a mail before it is sent',
        tags: ['messages'],
        querystring: strict(operatorQuery),
        body,
        response: { 201: registered },
      },
    },
    async (request, reply) => {
      const asker = await guard.account(request)
      const done = await desk.register(asker, callOf(request.body))
      return reply
        .code(201)
        .send({ messageId: done.messageId, recipients: done.recipients.map((each) => ({ ...each, headers: { ...each.headers } })) })
    },
  )
  const params = z.object({ emailId: z.string().min(1).max(1_024) })
  server.get(
    '/v1/messages/:emailId',
    {
      schema: {
        summary: 'What became of one copy',
        tags: ['messages'],
        params,
        querystring: strict(operatorQuery),
        response: { 200: timeline },
      },
    },
    async (request) => {
      const { account } = await guard.account(request)
      const found = await desk.message(account, request.params.emailId)
      if (found === null) throw new Fault('not_found', 'no mail has this emailId')
      const events = found.facts.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
      const billable = !events.some((fact) => fact.kind === 'failed' && !fact.data.billable)
      return { ...viewDelivery(found.row, billable), events: events.map(viewFact) }
    },
  )
}

const search = strict({
  ...operatorQuery,
  recipient: z.string().min(1).max(1_000).optional(),
  status: z.coerce
    .number()
    .pipe(z.literal([1, 4, 5, 18]))
    .optional(),
  subStatus: z.coerce.number().int().min(401).max(599).optional(),
  label: z.string().max(128).optional().describe('Part of a label’s name'),
  emailType: z.enum(['trigger', 'batch']).optional(),
  requestIp: z.string().max(64).optional().describe('From where the mail was registered'),
  egressIp: z.string().max(64).optional().describe('From where it was sent'),
  since: z.iso.datetime({ offset: true }).optional().describe('Requested at or after'),
  until: z.iso.datetime({ offset: true }).optional().describe('Requested before'),
  after: z.string().max(200).optional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

function addSearch(server: Web, { desk, guard }: MessageRoutes): void {
  const page = z.object({ messages: z.array(message), next: z.string().nullable() })
  const schema = {
    summary: 'Copies by recipient, status, label, time and IP; newest first',
    tags: ['messages'],
    querystring: search,
    response: { 200: page },
  }
  server.get('/v1/messages', { schema }, async (request) => {
    const { account } = await guard.account(request)
    const { rows, next } = await desk.statuses(account, queryOf(request.query))
    const free = await desk.unbilled(account, rows)
    return { messages: rows.map((row) => viewDelivery(row, !free.has(row.deliveryId))), next }
  })
}

function queryOf(asked: z.output<typeof search>): StatusQuery {
  return {
    email: asked.recipient ?? null,
    emailIds: null,
    labelId: null,
    labelName: asked.label ?? null,
    from: asked.since === undefined ? null : Date.parse(asked.since),
    until: asked.until === undefined ? null : Date.parse(asked.until),
    apiUsers: null,
    status: asked.status ?? null,
    subStatuses: asked.subStatus === undefined ? null : [asked.subStatus],
    requestIp: asked.requestIp ?? null,
    egressIp: asked.egressIp ?? null,
    emailType: asked.emailType ?? null,
    after: asked.after ?? null,
    withTotal: false,
    offset: 0,
    limit: asked.limit,
  }
}

function callOf(body: z.output<ReturnType<typeof registration>>): Registration {
  return {
    from: body.from,
    subject: body.subject,
    recipients: body.recipients.map((each) =>
      typeof each === 'string'
        ? { recipient: each, contactTypes: null }
        : { recipient: each.recipient, contactTypes: each.contactTypes ?? null, ...tokenOf(each.token ?? each.returnPath) },
    ),
    label: body.label ?? null,
    broadcast: body.broadcast ?? null,
    emailType: body.emailType,
    headers: body.headers ?? {},
  }
}

const tokenOf = (token: string | undefined): { token?: string } => (token === undefined ? {} : { token })

function viewDelivery(row: DeliveryRow, billable: boolean): z.output<typeof message> {
  return {
    emailId: row.emailId,
    messageId: row.messageId,
    recipient: row.recipient,
    from: row.from,
    subject: row.subject,
    label: row.label,
    broadcast: row.broadcast,
    emailType: row.emailType,
    requestedAt: isoOf(row.requestedAt),
    modifiedAt: isoOf(row.modifiedAt),
    status: row.status,
    subStatus: row.subStatus,
    asynchronousBounce: row.asynchronous,
    reason: row.reason,
    permanence: row.permanence,
    fault: row.fault,
    billable,
    weak: row.weak,
    forwarded: row.forwarded,
    rule: row.rule,
    sendLog: row.sendLog,
    result: row.result,
    deliveredAt: isoOf(row.deliveredAt),
    openedAt: isoOf(row.openedAt),
    registered: row.registered,
  }
}

/**
 * messages - mails that are to be sent, and what became of each
 *
 * POST registers one mail to one or many recipients and answers what each copy must carry. GET tells one copy's status and its timeline
 * of facts with their evidence.
 *
 * See also: service/submit/register, http/server/fact-view.
 */
import { z } from 'zod'
import { normaliseAddress } from '../../correlate/address-hash.ts'
import { Fault } from '../../errors.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { Registration } from '../../service/submit/register.ts'
import type { Services, StatusQuery } from '../services.ts'
import { eventSchema, toIsoTimestamp, toEventView } from '../server/fact-view.ts'
import type { Authorizer } from '../server/authorize.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

// oxlint-disable-next-line no-control-regex
const CONTROL_CHARACTERS = /[\u0000-\u0008\u000a-\u001f\u007f]/

/** One line: a line end would start a header of the writer's choice. RFC 5322 §2.1.1 allows 998. */
const headerText = z
  .string()
  .max(998)
  .refine((text) => !CONTROL_CHARACTERS.test(text), 'must be one line without controls')
const headerName = z
  .string()
  .max(76)
  .regex(/^[!-9;-~]+$/, 'must be a header name')

/** Longer is no address (RFC 5321 §4.5.3.1: 64 + 1 + 255); what is merely ill-formed is registered and answers 404. */
const addressSchema = z.string().min(1).max(1_000)

const recipientSchema = z.union([
  addressSchema,
  strictObject({
    recipient: addressSchema.nullable(),
    contactTypes: z.array(z.string().max(64)).max(32).optional(),
    token: z.string().min(30).max(320).optional().describe('Signed offline: the mail has its name already'),
    returnPath: z.string().min(30).max(320).optional().describe('The same, as the Return-Path that it stands in'),
  }).refine(({ token, returnPath }) => token === undefined || returnPath === undefined, 'token or returnPath, not both'),
])

const createRegistrationBody = (recipientsPerRequest: number) =>
  strictObject({
    from: z
      .string()
      .min(3)
      .max(998)
      .refine((text) => !CONTROL_CHARACTERS.test(text) && normaliseAddress(text) !== null, 'must hold an address')
      .describe('From of the mail'),
    subject: headerText.default(''),
    recipients: z.array(recipientSchema).min(1).max(recipientsPerRequest, `at most ${recipientsPerRequest} (limits.recipientsPerRequest)`),
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

const registrationResponse = z.object({
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

const messageView = z.object({
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

const messageTimelineView = z.object({
  ...messageView.shape,
  events: z.array(eventSchema),
})

export type MessageRouteDependencies = {
  readonly services: Services
  readonly authorizer: Authorizer
  readonly recipientsPerRequest: number
}

export function addMessageRoutes(server: HttpServer, dependencies: MessageRouteDependencies): void {
  const { services, authorizer, recipientsPerRequest } = dependencies
  addSearchRoute(server, dependencies)
  const body = createRegistrationBody(recipientsPerRequest)
  server.post(
    '/v1/messages',
    {
      schema: {
        summary: 'Register a mail before it is sent',
        tags: ['messages'],
        querystring: strictObject(operatorQuery),
        body,
        response: { 201: registrationResponse },
      },
    },
    async (request, reply) => {
      const caller = await authorizer.requireAccount(request)
      const result = await services.register(caller, toRegistration(request.body))
      return reply
        .code(201)
        .send({ messageId: result.messageId, recipients: result.recipients.map((each) => ({ ...each, headers: { ...each.headers } })) })
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
        querystring: strictObject(operatorQuery),
        response: { 200: messageTimelineView },
      },
    },
    async (request) => {
      const { account } = await authorizer.requireAccount(request)
      const found = await services.findMessage(account, request.params.emailId)
      if (found === null) throw new Fault('not_found', 'no mail has this emailId')
      const events = found.facts.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
      const billable = !events.some((fact) => fact.kind === 'failed' && !fact.data.billable)
      return { ...toMessageView(found.row, billable), events: events.map(toEventView) }
    },
  )
}

const searchQuery = strictObject({
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

function addSearchRoute(server: HttpServer, { services, authorizer }: MessageRouteDependencies): void {
  const page = z.object({ messages: z.array(messageView), next: z.string().nullable() })
  const schema = {
    summary: 'Copies by recipient, status, label, time and IP; newest first',
    tags: ['messages'],
    querystring: searchQuery,
    response: { 200: page },
  }
  server.get('/v1/messages', { schema }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const { rows, next } = await services.listStatuses(account, toStatusQuery(request.query))
    const unbilled = await services.findUnbilled(account, rows)
    return { messages: rows.map((row) => toMessageView(row, !unbilled.has(row.deliveryId))), next }
  })
}

function toStatusQuery(query: z.output<typeof searchQuery>): StatusQuery {
  return {
    email: query.recipient ?? null,
    emailIds: null,
    labelId: null,
    labelName: query.label ?? null,
    from: query.since === undefined ? null : Date.parse(query.since),
    until: query.until === undefined ? null : Date.parse(query.until),
    apiUsers: null,
    status: query.status ?? null,
    subStatuses: query.subStatus === undefined ? null : [query.subStatus],
    requestIp: query.requestIp ?? null,
    egressIp: query.egressIp ?? null,
    emailType: query.emailType ?? null,
    after: query.after ?? null,
    withTotal: false,
    offset: 0,
    limit: query.limit,
  }
}

function toRegistration(body: z.output<ReturnType<typeof createRegistrationBody>>): Registration {
  return {
    from: body.from,
    subject: body.subject,
    recipients: body.recipients.map((each) =>
      typeof each === 'string'
        ? { recipient: each, contactTypes: null }
        : { recipient: each.recipient, contactTypes: each.contactTypes ?? null, ...toTokenField(each.token ?? each.returnPath) },
    ),
    label: body.label ?? null,
    broadcast: body.broadcast ?? null,
    emailType: body.emailType,
    headers: body.headers ?? {},
  }
}

const toTokenField = (token: string | undefined): { token?: string } => (token === undefined ? {} : { token })

function toMessageView(row: DeliveryRow, billable: boolean): z.output<typeof messageView> {
  return {
    emailId: row.emailId,
    messageId: row.messageId,
    recipient: row.recipient,
    from: row.from,
    subject: row.subject,
    label: row.label,
    broadcast: row.broadcast,
    emailType: row.emailType,
    requestedAt: toIsoTimestamp(row.requestedAt),
    modifiedAt: toIsoTimestamp(row.modifiedAt),
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
    deliveredAt: toIsoTimestamp(row.deliveredAt),
    openedAt: toIsoTimestamp(row.openedAt),
    registered: row.registered,
  }
}

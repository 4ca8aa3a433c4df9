/**
 * messages - registers messages before they are sent, and shows the status of each
 *
 * POST registers one message to one or more recipients and returns the identifiers and headers that each copy must carry. GET shows the
 * status of one copy and its timeline of facts with their evidence.
 *
 * See also: service/submit/register, http/services/messages, http/server/fact-view.
 */
import { z } from 'zod'
import { isContradicted } from '../../ledger/decide/engagement.ts'
import { DELIVERY_STATUS_NAMES } from '../../ledger/facts/decision.ts'
import { EMAIL_TYPES } from '../../ledger/facts/delivery-facts.ts'
import { Fault } from '../../errors.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { Register, RegisteredRecipient } from '../../service/submit/register.ts'
import type { MessageService, StatusQuery } from '../services/messages.ts'
import type { Authorizer } from '../server/authorize.ts'
import { eventSchema, statusFilter, statusName, toIsoTimestamp, toEventView } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { domainName, operatorQuery, reasonSchema, strictObject } from '../server/schemas.ts'
import { createRegistrationBody, toRegistration } from './intake/registration-body.ts'
import { toWaitingView, waitingView } from './waiting-view.ts'

const registrationResponse = z.object({
  messageId: z.string(),
  recipients: z.array(
    z.object({
      recipient: z.string().nullable(),
      emailId: z.string(),
      returnPath: z.string().describe('MAIL FROM for this copy'),
      messageIdHeader: z.string(),
      feedbackId: z.string(),
      headers: z.record(z.string(), z.string()).describe('The headers to add to this copy'),
      status: z
        .int()
        .describe(
          '18: send the message. 4: do not send it, because a suppression list or an invalid address refused it or the broadcast already has it',
        ),
      subStatus: z.int().nullable(),
      html: z.string().nullable().optional().describe('The tracked HTML of this copy, if the request has html or plain'),
      plain: z.string().nullable().optional(),
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
  status: z.int().describe('18: sending; 1: delivered; 4: invalid email; 5: soft bounce'),
  statusName,
  subStatus: z.int().nullable(),
  asynchronousBounce: z.boolean(),
  reason: z.string().nullable(),
  permanence: z.string().nullable(),
  fault: z.string().nullable().describe('Which party is at fault; use `recipient` to clean an address list'),
  billable: z.boolean().describe('False if the bounce list refused the recipient or the broadcast skipped it'),
  weak: z.boolean(),
  forwarded: z.boolean(),
  rule: z.string().nullable(),
  sendLog: z.string().describe('The reply or text that led to the status'),
  result: z.string().describe('The result in a broadcast'),
  deliveredAt: z.string().nullable(),
  openedAt: z.string().nullable().describe('The first open by a person'),
  clickedAt: z.string().nullable().describe('The first click by a person'),
  opens: z.int().describe('All opens, those of machines included'),
  clicks: z.int(),
  machineOpens: z.int().describe('Opens by image proxies, scanners and prefetching'),
  machineClicks: z.int(),
  contradiction: z.boolean().describe('True if the message bounced although a person opened it or followed a link'),
  registered: z.boolean(),
})

const messageTimelineView = z.object({
  ...messageView.shape,
  events: z.array(eventSchema),
  why: waitingView.nullable().describe('Why it waits in the delivery queue; null if it does not'),
})

type MessageRouteDependencies = {
  readonly register: Register
  readonly messages: MessageService
  readonly authorizer: Authorizer
  readonly recipientsPerRequest: number
}

const tags = ['messages']
const querystring = strictObject(operatorQuery)

export function addMessageRoutes(server: HttpServer, dependencies: MessageRouteDependencies): void {
  addSearchRoute(server, dependencies)
  addRegisterRoute(server, dependencies)
  addTimelineRoute(server, dependencies)
}

function addRegisterRoute(server: HttpServer, { register, authorizer, recipientsPerRequest }: MessageRouteDependencies): void {
  const body = createRegistrationBody(recipientsPerRequest)
  const schema = { summary: 'Register a message before you send it', tags, querystring, body, response: { 201: registrationResponse } }
  server.post('/v1/messages', { schema }, async (request, reply) => {
    const caller = await authorizer.requireAccount(request)
    const { messageId, recipients } = await register(caller, toRegistration(request.body))
    return reply.code(201).send({ messageId, recipients: recipients.map(toRecipientView) })
  })
}

function addTimelineRoute(server: HttpServer, { messages, authorizer }: MessageRouteDependencies): void {
  const params = z.object({ emailId: z.string().min(1).max(1_024) })
  const schema = { summary: 'Read the status and timeline of one copy', tags, params, querystring, response: { 200: messageTimelineView } }
  server.get('/v1/messages/:emailId', { schema }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const found = await messages.find(account, request.params.emailId)
    if (found === null) throw new Fault('not_found', 'no message has this emailId')
    const events = found.facts.toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
    const billable = !events.some((fact) => fact.kind === 'failed' && !fact.data.billable)
    return { ...toMessageView(found.row, billable), events: events.map(toEventView), why: toWaitingView(account, found.waiting) }
  })
}

const searchQuery = strictObject({
  ...operatorQuery,
  recipient: z.string().min(1).max(1_000).optional(),
  status: statusFilter.optional(),
  subStatus: z.coerce.number().int().min(401).max(599).optional(),
  reason: reasonSchema.optional().describe('The reason of the verdict'),
  domain: domainName.optional().describe('The domain of the recipient'),
  label: z.string().max(128).optional().describe('Part of a label name'),
  emailType: z.enum(EMAIL_TYPES).optional(),
  requestIp: z.string().max(64).optional().describe('The IP address that registered the message'),
  egressIp: z.string().max(64).optional().describe('The IP address that sent the message'),
  since: z.iso.datetime({ offset: true }).optional().describe('Registered at or after this time'),
  until: z.iso.datetime({ offset: true }).optional().describe('Registered before this time'),
  after: z.string().max(200).optional().describe('`next` of the previous page'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

function addSearchRoute(server: HttpServer, { messages, authorizer }: MessageRouteDependencies): void {
  const page = z.object({ messages: z.array(messageView), next: z.string().nullable() })
  const schema = {
    summary: 'Search copies by recipient, status, reason, label, time and IP address; newest first',
    tags,
    querystring: searchQuery,
    response: { 200: page },
  }
  server.get('/v1/messages', { schema }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const { rows, next } = await messages.list(account, toStatusQuery(request.query))
    const unbilled = await messages.findUnbilled(account, rows)
    return { messages: rows.map((row) => toMessageView(row, !unbilled.has(row.deliveryId))), next }
  })
}

function toStatusQuery(query: z.output<typeof searchQuery>): StatusQuery {
  return {
    email: query.recipient ?? null,
    emailIds: null,
    labelId: null,
    labelName: query.label ?? null,
    domain: query.domain ?? null,
    reason: query.reason ?? null,
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

function toRecipientView({
  content,
  headers,
  ...recipient
}: RegisteredRecipient): z.output<typeof registrationResponse>['recipients'][number] {
  return { ...recipient, headers: { ...headers }, ...content }
}

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
    statusName: DELIVERY_STATUS_NAMES[row.status],
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
    clickedAt: toIsoTimestamp(row.clickedAt),
    opens: row.opens,
    clicks: row.clicks,
    machineOpens: row.machineOpens,
    machineClicks: row.machineClicks,
    contradiction: isContradicted(row),
    registered: row.registered,
  }
}

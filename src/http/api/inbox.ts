/**
 * inbox - inbound mails that could not be read, matched or trusted, with the reason
 *
 * An account sees the mails that refer to its messages or came to its VERP address; the operator sees all, also those that point at nobody. A raw mail is always sent as a download.
 *
 * See also: ledger/facts/inbox-facts (reasons and states), http/services/inbox, service/receive/inbox.
 */
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import { INBOX_REASONS, INBOX_STATES } from '../../ledger/facts/inbox-facts.ts'
import type { InboxRow } from '../../ledger/project/state.ts'
import type { InboxResult } from '../../service/receive/inbox.ts'
import { actorOf } from '../../service/caller.ts'
import type { InboxService } from '../services/inbox.ts'
import type { Authorizer } from '../server/authorize.ts'
import { eventSchema, toIsoTimestamp, toEventView } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { createMediaResponses } from '../server/media.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

type InboxRouteDependencies = { readonly inbox: InboxService; readonly authorizer: Authorizer }

const itemView = z.object({
  id: z.string().describe('The digest of the raw mail'),
  reason: z.enum(INBOX_REASONS),
  kind: z.string().describe('The kind of report'),
  state: z.enum(INBOX_STATES),
  receivedAt: z.string(),
  from: z.string().nullable(),
  subject: z.string().nullable(),
  summary: z.string(),
})

const listQuery = strictObject({
  ...operatorQuery,
  state: z.enum([...INBOX_STATES, 'any']).default('open'),
  reason: z.enum(INBOX_REASONS).optional(),
  after: z.string().max(200).optional().describe('`next` of the previous page'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

const params = z.object({ id: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits') })

const tags = ['inbox']
const querystring = strictObject(operatorQuery)

export function addInboxRoutes(server: HttpServer, dependencies: InboxRouteDependencies): void {
  addReadRoutes(server, dependencies)
  addActionRoutes(server, dependencies)
}

function addReadRoutes(server: HttpServer, { inbox, authorizer }: InboxRouteDependencies): void {
  const page = z.object({ items: z.array(itemView), next: z.string().nullable() })
  const list = { summary: 'List inbox items', tags, querystring: listQuery, response: { 200: page } }
  server.get('/v1/inbox', { schema: list }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    const { state, reason, after, limit } = request.query
    const query = { state: state === 'any' ? null : state, reason: reason ?? null, after: after ?? null, limit }
    const found = await inbox.list(caller?.account ?? null, query)
    return { items: found.rows.map(toItemView), next: found.next }
  })
  const detail = { summary: 'Read one inbox item', tags, params, querystring, response: { 200: itemView } }
  server.get('/v1/inbox/:id', { schema: detail }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    return toItemView((await requireInboxItem(inbox, caller?.account ?? null, request.params.id)).row)
  })
  const response = createMediaResponses('application/octet-stream')
  const download = { summary: 'Download the raw mail of an inbox item', tags, params, querystring, response }
  server.get('/v1/inbox/:id/raw', { schema: download, config: { produces: 'application/octet-stream' } }, async (request, reply) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    const { raw } = await requireInboxItem(inbox, caller?.account ?? null, request.params.id)
    if (raw === null) throw new Fault('not_found', 'the raw mail has expired (retention.rawDays)')
    void reply.header('content-disposition', `attachment; filename="${request.params.id.slice(0, 16)}.eml"`)
    return reply.type('application/octet-stream').send(Buffer.from(raw))
  })
}

const resolvedItemView = z.object({
  ...itemView.shape,
  changed: z.boolean().describe('False if the item was already in this state, or a replay found nothing new'),
  problem: z.string().nullable().describe('Why a replayed mail is still in the inbox'),
  events: z.array(eventSchema).describe('The events that were added'),
})

const force = z.boolean().default(false).describe('Also if the mail reports on another recipient than that of the message (409 otherwise)')
const acceptBody = strictObject({ force }).nullish()
const linkBody = strictObject({ emailId: z.string().min(1).max(1_024).describe('The message that the mail is about'), force })

const ACTION_SUMMARIES = {
  accept: 'Accept the mail as authentic and apply it',
  discard: 'Discard the mail',
  replay: 'Process the mail again with the current parser and rules',
} as const

function addActionRoutes(server: HttpServer, { inbox, authorizer }: InboxRouteDependencies): void {
  const shared = { tags, params, querystring, response: { 200: resolvedItemView } }
  const toCommandFields = async (request: FastifyRequest, digest: string) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    return { digest, account: caller?.account ?? null, actor: caller === null ? authorizer.operatorOf(request).actor : actorOf(caller) }
  }
  const accept = { ...shared, summary: ACTION_SUMMARIES.accept, body: acceptBody }
  server.post('/v1/inbox/:id/accept', { schema: accept }, async (request) => {
    const fields = await toCommandFields(request, request.params.id)
    return toResolvedItemView(await inbox.resolve({ ...fields, action: 'accept', force: request.body?.force === true }))
  })
  for (const action of ['discard', 'replay'] as const)
    server.post(`/v1/inbox/:id/${action}`, { schema: { ...shared, summary: ACTION_SUMMARIES[action] } }, async (request) =>
      toResolvedItemView(await inbox.resolve({ ...(await toCommandFields(request, request.params.id)), action })),
    )
  const link = { ...shared, summary: 'Link the mail to the message that it is about', body: linkBody }
  server.post('/v1/inbox/:id/link', { schema: link }, async (request) => {
    const fields = await toCommandFields(request, request.params.id)
    return toResolvedItemView(await inbox.resolve({ ...fields, action: 'link', ...request.body }))
  })
}

function toResolvedItemView({ row, changed, problem, facts }: InboxResult): z.output<typeof resolvedItemView> {
  return { ...toItemView(row), changed, problem, events: facts.filter(({ kind }) => kind !== 'audit').map(toEventView) }
}

/** Faults: not_found. */
async function requireInboxItem(
  inbox: Pick<InboxService, 'find'>,
  account: number | null,
  id: string,
): Promise<{ readonly row: InboxRow; readonly raw: Uint8Array | null }> {
  const found = await inbox.find(account, id)
  if (found === null) throw new Fault('not_found', 'no inbox item has this id')
  return found
}

function toItemView(row: InboxRow): z.output<typeof itemView> {
  const { digest, reason, kind, state, receivedAt, from, subject, summary } = row
  return { id: digest, reason, kind, state, receivedAt: toIsoTimestamp(receivedAt), from, subject, summary }
}

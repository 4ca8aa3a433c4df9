/**
 * inbox - the mails that were not read, not matched or not trusted, with the reason
 *
 * An account sees what points at its mails; the operator sees everything. The raw mail is a download, never shown inline.
 *
 * See also: ledger/facts/fact (InboxReason), service/receive/receive.
 */
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import type { InboxReason, InboxState } from '../../ledger/facts/inbox-facts.ts'
import type { InboxRow } from '../../ledger/project/state.ts'
import type { InboxResult } from '../../service/receive/inbox.ts'
import { actorOf } from '../../service/caller.ts'
import type { Services } from '../services.ts'
import { eventSchema, toIsoTimestamp, toEventView } from '../server/fact-view.ts'
import type { Authorizer } from '../server/authorize.ts'
import { createMediaResponses } from '../server/media.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

const INBOX_STATES = ['open', 'accepted', 'discarded', 'linked', 'replayed'] as const satisfies readonly InboxState[]
const INBOX_REASONS = [
  'unreadable',
  'unmatched',
  'unverified',
  'expired',
  'unregistered',
  'ambiguous',
  'postmaster',
  'cut',
] as const satisfies readonly InboxReason[]

const itemView = z.object({
  id: z.string().describe('The digest of the mail'),
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
  after: z.string().max(200).optional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

const params = z.object({ id: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits') })

export function addInboxRoutes(
  server: HttpServer,
  { desk: services, guard: authorizer }: { readonly desk: Services; readonly guard: Authorizer },
): void {
  const page = z.object({ items: z.array(itemView), next: z.string().nullable() })
  const tags = ['inbox']
  server.get(
    '/v1/inbox',
    { schema: { summary: 'Mails that wait for a person', tags, querystring: listQuery, response: { 200: page } } },
    async (request) => {
      const caller = await authorizer.requireAccountOrOperator(request)
      const { state, reason, after, limit } = request.query
      const query = { state: state === 'any' ? null : state, reason: reason ?? null, after: after ?? null, limit }
      const found = await services.listInbox(caller?.account ?? null, query)
      return { items: found.rows.map(toItemView), next: found.next }
    },
  )
  const detail = { summary: 'One of them', tags, params, querystring: strictObject(operatorQuery), response: { 200: itemView } }
  server.get('/v1/inbox/:id', { schema: detail }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    return toItemView((await requireInboxMail(services, caller?.account ?? null, request.params.id)).row)
  })
  const raw = createMediaResponses('application/octet-stream')
  const download = { summary: 'Its raw mail, as a download', tags, params, querystring: strictObject(operatorQuery), response: raw }
  server.get('/v1/inbox/:id/raw', { schema: download, config: { produces: 'application/octet-stream' } }, async (request, reply) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    const { raw: mail } = await requireInboxMail(services, caller?.account ?? null, request.params.id)
    if (mail === null) throw new Fault('not_found', 'the raw mail is no longer kept (retention.rawDays)')
    void reply.header('content-disposition', `attachment; filename="${request.params.id.slice(0, 16)}.eml"`)
    return reply.type('application/octet-stream').send(Buffer.from(mail))
  })
  addActionRoutes(server, { desk: services, guard: authorizer })
}

/** What was done, and what the mail changed. */
const resolvedItemView = z.object({
  ...itemView.shape,
  changed: z.boolean().describe('False: it was done before, or a replay found nothing new'),
  problem: z.string().nullable().describe('Why a replayed mail still waits'),
  events: z.array(eventSchema).describe('What it added'),
})

const linkBody = strictObject({ emailId: z.string().min(1).max(1_024).describe('The mail that it is about') })

const ACTION_SUMMARIES = {
  accept: 'Vouch for it: it changes what it points at',
  discard: 'It is nothing',
  replay: 'Read it again, by today’s reader and rules',
} as const

function addActionRoutes(
  server: HttpServer,
  { desk: services, guard: authorizer }: { readonly desk: Services; readonly guard: Authorizer },
): void {
  const tags = ['inbox']
  const shared = { tags, params, querystring: strictObject(operatorQuery), response: { 200: resolvedItemView } }
  const toActionRequest = async (request: FastifyRequest, digest: string) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    return { digest, account: caller?.account ?? null, actor: caller === null ? 'operator' : actorOf(caller) }
  }
  for (const action of ['accept', 'discard', 'replay'] as const)
    server.post(`/v1/inbox/:id/${action}`, { schema: { ...shared, summary: ACTION_SUMMARIES[action] } }, async (request) =>
      toResolvedItemView(await services.resolveInboxItem({ ...(await toActionRequest(request, request.params.id)), action })),
    )
  const schema = { ...shared, summary: 'Say which mail it is about', body: linkBody }
  server.post('/v1/inbox/:id/link', { schema }, async (request) => {
    const { emailId } = request.body
    return toResolvedItemView(
      await services.resolveInboxItem({ ...(await toActionRequest(request, request.params.id)), action: 'link', emailId }),
    )
  })
}

function toResolvedItemView({ row, changed, problem, facts }: InboxResult): z.output<typeof resolvedItemView> {
  return { ...toItemView(row), changed, problem, events: facts.filter(({ kind }) => kind !== 'audit').map(toEventView) }
}

async function requireInboxMail(
  services: Services,
  account: number | null,
  id: string,
): Promise<{ readonly row: InboxRow; readonly raw: Uint8Array | null }> {
  const found = await services.findInboxMail(account, id)
  if (found === null) throw new Fault('not_found', 'no mail in the inbox has this id')
  return found
}

function toItemView(row: InboxRow): z.output<typeof itemView> {
  const { digest, reason, kind, state, receivedAt, from, subject, summary } = row
  return { id: digest, reason, kind, state, receivedAt: toIsoTimestamp(receivedAt), from, subject, summary }
}

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
import type { InboxReason, InboxState } from '../../ledger/facts/fact.ts'
import type { InboxRow } from '../../ledger/project/state.ts'
import type { InboxAnswer } from '../../service/receive/inbox.ts'
import { actorOf } from '../../service/submit/register.ts'
import type { Desk } from '../services.ts'
import { eventSchema, isoOf, viewFact } from '../server/fact-view.ts'
import type { Guard } from '../server/authorize.ts'
import { mediaOf } from '../server/media.ts'
import type { Web } from '../server/server.ts'
import { operatorQuery, strict } from '../server/schemas.ts'

const STATES = ['open', 'accepted', 'discarded', 'linked', 'replayed'] as const satisfies readonly InboxState[]
const REASONS = [
  'unreadable',
  'unmatched',
  'unverified',
  'expired',
  'unregistered',
  'ambiguous',
  'postmaster',
  'cut',
] as const satisfies readonly InboxReason[]

const item = z.object({
  id: z.string().describe('The digest of the mail'),
  reason: z.enum(REASONS),
  kind: z.string().describe('The kind of report'),
  state: z.enum(STATES),
  receivedAt: z.string(),
  from: z.string().nullable(),
  subject: z.string().nullable(),
  summary: z.string(),
})

const listQuery = strict({
  ...operatorQuery,
  state: z.enum([...STATES, 'any']).default('open'),
  reason: z.enum(REASONS).optional(),
  after: z.string().max(200).optional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

const params = z.object({ id: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits') })

export function addInbox(server: Web, { desk, guard }: { readonly desk: Desk; readonly guard: Guard }): void {
  const page = z.object({ items: z.array(item), next: z.string().nullable() })
  const tags = ['inbox']
  server.get(
    '/v1/inbox',
    { schema: { summary: 'Mails that wait for a person', tags, querystring: listQuery, response: { 200: page } } },
    async (request) => {
      const asker = await guard.anyone(request)
      const { state, reason, after, limit } = request.query
      const query = { state: state === 'any' ? null : state, reason: reason ?? null, after: after ?? null, limit }
      const found = await desk.inbox(asker?.account ?? null, query)
      return { items: found.rows.map(viewItem), next: found.next }
    },
  )
  const one = { summary: 'One of them', tags, params, querystring: strict(operatorQuery), response: { 200: item } }
  server.get('/v1/inbox/:id', { schema: one }, async (request) => {
    const asker = await guard.anyone(request)
    return viewItem((await need(desk, asker?.account ?? null, request.params.id)).row)
  })
  const raw = mediaOf('application/octet-stream')
  const download = { summary: 'Its raw mail, as a download', tags, params, querystring: strict(operatorQuery), response: raw }
  server.get('/v1/inbox/:id/raw', { schema: download, config: { produces: 'application/octet-stream' } }, async (request, reply) => {
    const asker = await guard.anyone(request)
    const { raw: mail } = await need(desk, asker?.account ?? null, request.params.id)
    if (mail === null) throw new Fault('not_found', 'the raw mail is no longer kept (retention.rawDays)')
    void reply.header('content-disposition', `attachment; filename="${request.params.id.slice(0, 16)}.eml"`)
    return reply.type('application/octet-stream').send(Buffer.from(mail))
  })
  addActions(server, { desk, guard })
}

/** What was done, and what the mail changed. */
const settled = z.object({
  ...item.shape,
  changed: z.boolean().describe('False: it was done before, or a replay found nothing new'),
  problem: z.string().nullable().describe('Why a replayed mail still waits'),
  events: z.array(eventSchema).describe('What it added'),
})

const linkBody = strict({ emailId: z.string().min(1).max(1_024).describe('The mail that it is about') })

const ACTIONS = {
  accept: 'Vouch for it: it changes what it points at',
  discard: 'It is nothing',
  replay: 'Read it again, by today’s reader and rules',
} as const

function addActions(server: Web, { desk, guard }: { readonly desk: Desk; readonly guard: Guard }): void {
  const tags = ['inbox']
  const shared = { tags, params, querystring: strict(operatorQuery), response: { 200: settled } }
  const callOf = async (request: FastifyRequest, digest: string) => {
    const asker = await guard.anyone(request)
    return { digest, account: asker?.account ?? null, actor: asker === null ? 'operator' : actorOf(asker) }
  }
  for (const action of ['accept', 'discard', 'replay'] as const)
    server.post(`/v1/inbox/:id/${action}`, { schema: { ...shared, summary: ACTIONS[action] } }, async (request) =>
      viewSettled(await desk.settleInbox({ ...(await callOf(request, request.params.id)), action })),
    )
  const schema = { ...shared, summary: 'Say which mail it is about', body: linkBody }
  server.post('/v1/inbox/:id/link', { schema }, async (request) => {
    const { emailId } = request.body
    return viewSettled(await desk.settleInbox({ ...(await callOf(request, request.params.id)), action: 'link', emailId }))
  })
}

function viewSettled({ row, changed, problem, facts }: InboxAnswer): z.output<typeof settled> {
  return { ...viewItem(row), changed, problem, events: facts.filter(({ kind }) => kind !== 'audit').map(viewFact) }
}

async function need(desk: Desk, account: number | null, id: string): Promise<{ readonly row: InboxRow; readonly raw: Uint8Array | null }> {
  const found = await desk.inboxMail(account, id)
  if (found === null) throw new Fault('not_found', 'no mail in the inbox has this id')
  return found
}

function viewItem(row: InboxRow): z.output<typeof item> {
  const { digest, reason, kind, state, receivedAt, from, subject, summary } = row
  return { id: digest, reason, kind, state, receivedAt: isoOf(receivedAt), from, subject, summary }
}

/**
 * forwarded-mails - domains that take mail for an account, and the mails that came
 *
 * An account sees its own; the operator gives and takes domains. A raw mail is a download, never shown inline: for its account, and for
 * whoever holds the link of a webhook until it ends.
 *
 * See also: service/forward/forward-domains, mail-auth/signed-mail-link, docs/WEBHOOKS.md.
 */
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import type { RouteDomain } from '../../store/mail/forward-domains.ts'
import type { RouteMailHead } from '../../store/mail/forwarded-mails.ts'
import type { Desk } from '../services.ts'
import { isoOf } from '../server/fact-view.ts'
import type { Guard } from '../server/authorize.ts'
import { mediaOf } from '../server/media.ts'
import type { Web } from '../server/server.ts'
import { operatorQuery, strict } from '../server/schemas.ts'

export type RouteMailRoutes = { readonly desk: Desk; readonly guard: Guard }

const domainView = z.object({ domain: z.string(), account: z.int(), since: z.string() })

const mailView = z.object({
  id: z.string().describe('The digest of the mail'),
  receivedAt: z.string(),
  mailFrom: z.string(),
  rcptTo: z.string(),
  size: z.int(),
  truncated: z.boolean().describe('Only the first MiB was kept (limits.mailSize)'),
})

const tags = ['route']

export function addRouteMails(server: Web, routes: RouteMailRoutes): void {
  addDomains(server, routes)
  addList(server, routes)
  addRaw(server, routes)
}

function addDomains(server: Web, { desk, guard }: RouteMailRoutes): void {
  const querystring = strict(operatorQuery)
  const list = {
    summary: 'Domains that take mail for the account',
    tags,
    querystring,
    response: { 200: z.object({ domains: z.array(domainView) }) },
  }
  server.get('/v1/route-domains', { schema: list }, async (request) => {
    const asker = await guard.anyone(request)
    return { domains: (await desk.routes.domains(asker?.account ?? null)).map(viewDomain) }
  })
  const body = strict({ domain: z.string().min(1).max(254) })
  const changed = z.object({ domain: z.string(), changed: z.boolean() })
  const add = { summary: 'Give a domain to an account (the operator)', tags, querystring, body, response: { 200: changed } }
  server.post('/v1/route-domains', { schema: add }, async (request) => {
    await guard.operator(request)
    const { account } = await guard.account(request)
    return { domain: request.body.domain, changed: await desk.routes.add(account, request.body.domain) }
  })
  const params = z.object({ domain: z.string().min(1).max(254) })
  const remove = { summary: 'Take it away (the operator)', tags, querystring: strict({}), params, response: { 200: changed } }
  server.delete('/v1/route-domains/:domain', { schema: remove }, async (request) => {
    await guard.operator(request)
    return { domain: request.params.domain, changed: await desk.routes.remove(request.params.domain) }
  })
}

const CURSOR = /^(\d{1,16})-([0-9a-f]{64})$/

function addList(server: Web, { desk, guard }: RouteMailRoutes): void {
  const querystring = strict({
    ...operatorQuery,
    after: z.string().regex(CURSOR, 'take the `next` of the page before as it is').optional(),
    limit: z.coerce.number().int().min(1).max(1_000).default(100),
  })
  const page = z.object({ mails: z.array(mailView), next: z.string().nullable() })
  const schema = { summary: 'Mails that came, newest first', tags, querystring, response: { 200: page } }
  server.get('/v1/route-mails', { schema }, async (request) => {
    const { account } = await guard.account(request)
    const { after, limit } = request.query
    const [, at = '0', digest = ''] = CURSOR.exec(after ?? '') ?? []
    const rows = await desk.routes.mails(account, { limit, after: after === undefined ? null : { receivedAt: Number(at), digest } })
    const last = rows.at(-1)
    return { mails: rows.map(viewMail), next: last === undefined || rows.length < limit ? null : `${last.receivedAt}-${last.digest}` }
  })
}

const rawQuery = strict({
  ...operatorQuery,
  owner: z.coerce.number().int().min(1).optional().describe('With `expires` and `signature`: the link of a webhook'),
  expires: z.coerce.number().int().min(0).optional(),
  signature: z.string().max(64).optional(),
})

function addRaw(server: Web, { desk, guard }: RouteMailRoutes): void {
  const params = z.object({ id: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits') })
  const response = mediaOf('application/octet-stream')
  const schema = { summary: 'A raw mail, as a download', tags, querystring: rawQuery, params, response }
  server.get('/v1/route-mails/:id/raw', { schema, config: { produces: null } }, async (request, reply) => {
    const account = linkedAccount(desk, request.params.id, request.query) ?? (await ownAccount(guard, request))
    const raw = await desk.routes.raw(account, request.params.id)
    if (raw === null) throw new Fault('not_found', 'there is no such mail, or it is no longer kept (retention.routeDays)')
    void reply.header('content-disposition', `attachment; filename="${request.params.id.slice(0, 16)}.eml"`)
    return reply.type('application/octet-stream').send(Buffer.from(raw))
  })
}

const ownAccount = async (guard: Guard, request: FastifyRequest): Promise<number> => (await guard.account(request)).account

/** Whose mail a link opens; null without one. Faults: forbidden (it has ended, or was changed). */
function linkedAccount(desk: Desk, digest: string, { owner, expires, signature }: z.output<typeof rawQuery>): number | null {
  if (signature === undefined || owner === undefined || expires === undefined) return null
  if (!desk.routes.isLinked({ account: owner, digest, expires }, signature, desk.now()))
    throw new Fault('forbidden', 'this link has ended or is not one of ours (route.linkHours)')
  return owner
}

function viewDomain({ domain, account, createdAt }: RouteDomain): z.output<typeof domainView> {
  return { domain, account, since: isoOf(createdAt) }
}

function viewMail({ digest, receivedAt, mailFrom, rcptTo, size, truncated }: RouteMailHead): z.output<typeof mailView> {
  return { id: digest, receivedAt: isoOf(receivedAt), mailFrom, rcptTo, size, truncated }
}

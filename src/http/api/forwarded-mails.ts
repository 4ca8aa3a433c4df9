/**
 * forwarded-mails - the domains that receive inbound mail for an account, and the mails that were received
 *
 * An account sees its own domains; only the operator assigns them. A raw mail is always sent as a download. The account may download it, and
 * so may anyone who has the signed link of a webhook, until the link expires.
 *
 * See also: service/forward/forward-domains, mail-auth/signed-mail-link, docs/WEBHOOKS.md.
 */
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import type { ForwardDomain } from '../../store/mail/forward-domains.ts'
import type { ForwardedMailSummary } from '../../store/mail/forwarded-mails.ts'
import type { ForwardService } from '../../service/forward/forward-domains.ts'
import type { Authorizer } from '../server/authorize.ts'
import { INVALID_CURSOR } from '../server/cursor.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { createMediaResponses } from '../server/media.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

type ForwardedMailRouteDependencies = {
  readonly forwarding: ForwardService
  readonly authorizer: Authorizer
  readonly now: () => number
}

const domainView = z.object({ domain: z.string(), account: z.int(), since: z.string() })

const mailView = z.object({
  id: z.string().describe('The digest of the raw mail'),
  receivedAt: z.string(),
  mailFrom: z.string(),
  rcptTo: z.string(),
  size: z.int(),
  truncated: z.boolean().describe('Only the first MiB was stored (limits.mailSize)'),
})

const tags = ['route']

export function addForwardedMailRoutes(server: HttpServer, dependencies: ForwardedMailRouteDependencies): void {
  addDomainRoutes(server, dependencies)
  addListRoute(server, dependencies)
  addRawRoute(server, dependencies)
}

function addDomainRoutes(server: HttpServer, { forwarding, authorizer }: ForwardedMailRouteDependencies): void {
  const querystring = strictObject(operatorQuery)
  const list = {
    summary: 'List the domains that receive mail for the account',
    tags,
    querystring,
    response: { 200: z.object({ domains: z.array(domainView) }) },
  }
  server.get('/v1/route-domains', { schema: list }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    return { domains: (await forwarding.domains(caller?.account ?? null)).map(toDomainView) }
  })
  const body = strictObject({ domain: z.string().min(1).max(254) })
  const changed = z.object({ domain: z.string(), changed: z.boolean() })
  const add = { summary: 'Assign a domain to an account (operator only)', tags, querystring, body, response: { 200: changed } }
  server.post('/v1/route-domains', { schema: add, config: { permission: 'administer' } }, async (request) => {
    const { actor } = await authorizer.requireOperator(request)
    const { account } = await authorizer.requireAccount(request)
    return { domain: request.body.domain, changed: await forwarding.addDomain(account, request.body.domain, actor) }
  })
  const params = z.object({ domain: z.string().min(1).max(254) })
  const remove = {
    summary: 'Remove a domain from its account (operator only)',
    tags,
    querystring: strictObject({}),
    params,
    response: { 200: changed },
  }
  server.delete('/v1/route-domains/:domain', { schema: remove, config: { permission: 'administer' } }, async (request) => {
    const { actor } = await authorizer.requireOperator(request)
    return { domain: request.params.domain, changed: await forwarding.removeDomain(request.params.domain, actor) }
  })
}

const CURSOR = /^(\d{1,16})-([0-9a-f]{64})$/

function addListRoute(server: HttpServer, { forwarding, authorizer }: ForwardedMailRouteDependencies): void {
  const querystring = strictObject({
    ...operatorQuery,
    after: z.string().regex(CURSOR, INVALID_CURSOR).optional(),
    limit: z.coerce.number().int().min(1).max(1_000).default(100),
  })
  const page = z.object({ mails: z.array(mailView), next: z.string().nullable() })
  const schema = { summary: 'List received mails, newest first', tags, querystring, response: { 200: page } }
  server.get('/v1/route-mails', { schema }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const { after, limit } = request.query
    const [, at = '0', digest = ''] = CURSOR.exec(after ?? '') ?? []
    const rows = await forwarding.mails(account, { limit, after: after === undefined ? null : { receivedAt: Number(at), digest } })
    const last = rows.at(-1)
    return { mails: rows.map(toMailView), next: last === undefined || rows.length < limit ? null : `${last.receivedAt}-${last.digest}` }
  })
}

const rawQuery = strictObject({
  ...operatorQuery,
  owner: z.coerce.number().int().min(1).optional().describe('With `expires` and `signature`: the signed link of a webhook'),
  expires: z.coerce.number().int().min(0).optional(),
  signature: z.string().max(64).optional(),
})

function addRawRoute(server: HttpServer, { forwarding, authorizer, now }: ForwardedMailRouteDependencies): void {
  const params = z.object({ id: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits') })
  const response = createMediaResponses('application/octet-stream')
  const schema = { summary: 'Download a raw mail', tags, querystring: rawQuery, params, response }
  server.get('/v1/route-mails/:id/raw', { schema, config: { produces: null } }, async (request, reply) => {
    const account =
      readLinkedAccount({ forwarding, now }, request.params.id, request.query) ?? (await requireOwnAccount(authorizer, request))
    const raw = await forwarding.rawMail(account, request.params.id)
    if (raw === null) throw new Fault('not_found', 'no mail has this id, or it has expired (retention.routeDays)')
    void reply.header('content-disposition', `attachment; filename="${request.params.id.slice(0, 16)}.eml"`)
    return reply.type('application/octet-stream').send(Buffer.from(raw))
  })
}

const requireOwnAccount = async (authorizer: Authorizer, request: FastifyRequest): Promise<number> =>
  (await authorizer.requireAccount(request)).account

/** The account of a signed link; null if the request has none. Faults: forbidden (the link has expired or is forged). */
function readLinkedAccount(
  { forwarding, now }: Pick<ForwardedMailRouteDependencies, 'forwarding' | 'now'>,
  digest: string,
  { owner, expires, signature }: z.output<typeof rawQuery>,
): number | null {
  if (signature === undefined || owner === undefined || expires === undefined) return null
  if (!forwarding.isValidLink({ account: owner, digest, expires }, signature, now()))
    throw new Fault('forbidden', 'this link has expired or is not valid (route.linkHours)')
  return owner
}

function toDomainView({ domain, account, createdAt }: ForwardDomain): z.output<typeof domainView> {
  return { domain, account, since: toIsoTimestamp(createdAt) }
}

function toMailView({ digest, receivedAt, mailFrom, rcptTo, size, truncated }: ForwardedMailSummary): z.output<typeof mailView> {
  return { id: digest, receivedAt: toIsoTimestamp(receivedAt), mailFrom, rcptTo, size, truncated }
}

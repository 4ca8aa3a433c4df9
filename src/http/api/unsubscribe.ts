/**
 * unsubscribe - the unsubscribe link of every message
 *
 * POST unsubscribes: sent by a mail client's one-click button (RFC 8058: body `List-Unsubscribe=One-Click`) or by the form on the page.
 * GET only shows that page, because link scanners follow links. The page sets no cookie, does not redirect, and reveals nothing about the
 * message or the address, because the link may have been forwarded.
 *
 * RFC 2369, RFC 8058. See also: correlate/token (purpose unsubscribe), service/lists/unsubscribe.
 */
import { createHash } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import type { UnsubscribeRequest } from '../../service/lists/unsubscribe.ts'
import type { HttpServer } from '../server/http-server.ts'
import { createMediaResponses } from '../server/media.ts'
import { EVERY_HOST } from '../tracking/host-filter.ts'

type UnsubscribeRouteDependencies = { readonly unsubscribe: (request: UnsubscribeRequest) => Promise<'done' | 'missed'> }

const PAGE_STYLE = 'body{font:16px/1.5 sans-serif;max-width:32em;margin:4em auto;padding:0 1em}button{font:inherit;padding:.5em 1em}'

/** The page contains only our own text. */
function renderPage(title: string, body: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="robots" content="noindex"><title>${title}</title><style>${PAGE_STYLE}</style></head><body><h1>${title}</h1>${body}</body></html>`
}

const PAGES = {
  ask: renderPage(
    'Unsubscribe',
    '<p>Stop receiving these emails?</p><form method="post"><input type="hidden" name="form" value="page"><button>Unsubscribe</button></form>',
  ),
  done: renderPage('Unsubscribed', '<p>You will not receive these emails any more.</p>'),
  missed: renderPage(
    'This link does not work',
    '<p>The link is incomplete or has expired. Use the link in the most recent email, or reply to it.</p>',
  ),
} as const

const HTML_MEDIA_TYPE = 'text/html; charset=utf-8'

/** Allows the page's own style, by its hash, and its form. CSP Level 3, §6.7.2. */
const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(PAGE_STYLE).digest('base64')}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`

const sendPage = (reply: FastifyReply, code: number, html: string): FastifyReply =>
  reply.code(code).header('content-security-policy', PAGE_POLICY).type(HTML_MEDIA_TYPE).send(html)

const params = z.object({ token: z.string().regex(/^[A-Za-z2-7]{1,64}$/, 'must be a token') })
const tags = ['unsubscribe']
const response = createMediaResponses('text/html')

/** A one-click body is a few bytes in any content type. */
const MAX_BODY_BYTES = 16_384

export function addUnsubscribeRoutes(server: HttpServer, dependencies: UnsubscribeRouteDependencies): void {
  const show = { summary: 'Show the unsubscribe page; does not unsubscribe', tags, params, response }
  server.get('/u/:token', { schema: show, config: EVERY_HOST }, (_request, reply) => sendPage(reply, 200, PAGES.ask))
  // Mail clients send the body with different content types, and its content is not needed.
  void server.register(async (scope) => {
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, (_request, _body, done) => done(null, null))
    addPostRoute(scope.withTypeProvider(), dependencies)
  })
}

function addPostRoute(server: HttpServer, { unsubscribe }: UnsubscribeRouteDependencies): void {
  const schema = { summary: 'Unsubscribe by one click (RFC 8058) or by the form of the page', tags, params, response }
  server.post('/u/:token', { schema, config: EVERY_HOST }, async (request, reply) => {
    const how = isPageForm(request.body) ? 'page' : 'one-click'
    const userAgent = request.headers['user-agent']?.slice(0, 512) ?? null
    const outcome = await unsubscribe({ token: request.params.token, how, ip: request.ip, userAgent })
    return sendPage(reply, outcome === 'done' ? 200 : 404, PAGES[outcome])
  })
}

function isPageForm(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'form' in body && body.form === 'page'
}

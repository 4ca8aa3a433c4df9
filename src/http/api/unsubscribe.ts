/**
 * unsubscribe - the link that every mail carries
 *
 * POST ends the subscription: by a mail client's one click (RFC 8058: body `List-Unsubscribe=One-Click`), or by the form of the page. GET shows
 * that page and nothing else, since link scanners follow links. No cookie, no redirect, and the page says nothing about the mail or the
 * address: the link may have been forwarded.
 *
 * RFC 2369, RFC 8058. See also: correlate/token (purpose unsubscribe).
 */
import { createHash } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import type { Services } from '../services.ts'
import { createMediaResponses } from '../server/media.ts'
import type { HttpServer } from '../server/http-server.ts'

const PAGE_STYLE = 'body{font:16px/1.5 sans-serif;max-width:32em;margin:4em auto;padding:0 1em}button{font:inherit;padding:.5em 1em}'

/** The page's words are ours alone: nothing that a stranger wrote is in it. */
function renderPage(title: string, body: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="robots" content="noindex"><title>${title}</title><style>${PAGE_STYLE}</style></head><body><h1>${title}</h1>${body}</body></html>`
}

const PAGES = {
  ask: renderPage(
    'Unsubscribe',
    '<p>Stop getting these mails?</p><form method="post"><input type="hidden" name="form" value="page"><button>Unsubscribe</button></form>',
  ),
  done: renderPage('Unsubscribed', '<p>You will not get these mails any more.</p>'),
  missed: renderPage('This link does not work', '<p>It is cut, or too old. Use the link in the newest mail, or answer to it.</p>'),
} as const

const HTML_MEDIA_TYPE = 'text/html; charset=utf-8'

/** The page's own style by its hash, its form to us, and nothing else. CSP Level 3, §6.7.2. */
const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(PAGE_STYLE).digest('base64')}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`

const sendPage = (reply: FastifyReply, code: number, html: string): FastifyReply =>
  reply.code(code).header('content-security-policy', PAGE_POLICY).type(HTML_MEDIA_TYPE).send(html)

const params = z.object({ token: z.string().regex(/^[A-Za-z2-7]{1,64}$/, 'must be a token') })
const tags = ['unsubscribe']
const response = createMediaResponses('text/html')

export function addUnsubscribeRoutes(server: HttpServer, services: Services): void {
  server.get('/u/:token', { schema: { summary: 'The page that asks; it never unsubscribes', tags, params, response } }, (_request, reply) =>
    sendPage(reply, 200, PAGES.ask),
  )
  // Mail clients differ in what they call the body, and it says nothing that we need.
  void server.register(async (scope) => {
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, (_request, _body, done) => done(null, null))
    addPostRoute(scope.withTypeProvider(), services)
  })
}

/** `List-Unsubscribe=One-Click` in any dress. */
const MAX_BODY_BYTES = 16_384

function addPostRoute(server: HttpServer, services: Services): void {
  server.post(
    '/u/:token',
    { schema: { summary: 'One click (RFC 8058), or the form of the page', tags, params, response } },
    async (request, reply) => {
      const how = isPageForm(request.body) ? 'page' : 'one-click'
      const outcome = await services.unsubscribe({
        token: request.params.token,
        how,
        ip: request.ip,
        userAgent: request.headers['user-agent']?.slice(0, 512) ?? null,
      })
      return sendPage(reply, outcome === 'done' ? 200 : 404, PAGES[outcome])
    },
  )
}

function isPageForm(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'form' in body && body.form === 'page'
}

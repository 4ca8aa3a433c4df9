/**
 * unsubscribe - the unsubscribe link of every message
 *
 * POST unsubscribes: sent by a mail client's one-click button (RFC 8058), or by the form of the page. GET and every other POST only show the
 * page, because link scanners follow links. The pages set no cookie, do not redirect, and reveal nothing but the sender and the masked address,
 * because the link may have been forwarded.
 *
 * RFC 2369, RFC 8058. See also: service/track/unsubscribe-links, http/tracking/unsubscribe-page, http/tracking/unsubscribe-form.
 */
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { isRetryable } from '../../errors.ts'
import type { LinkSubject, UnsubscribeLinks } from '../../service/track/unsubscribe-links.ts'
import type { HttpServer } from '../server/http-server.ts'
import { createMediaResponses } from '../server/media.ts'
import { EVERY_HOST } from './host-filter.ts'
import { pickPageTexts, type PageTexts } from './page-texts.ts'
import { brokenLinkPage, busyPage, sendPage, type RecipientPage } from './recipient-page.ts'
import { readUnsubscribeForm } from './unsubscribe-form.ts'
import { confirmationPage, questionPage, undonePage } from './unsubscribe-page.ts'

type UnsubscribeRouteDependencies = { readonly unsubscribeLinks: UnsubscribeLinks }

const params = z.object({ token: z.string() })
const tags = ['unsubscribe']
const response = createMediaResponses('text/html')

/** A one-click body is a few bytes in any content type. */
const MAX_BODY_BYTES = 16_384
const MAX_USER_AGENT = 512

export function addUnsubscribeRoutes(server: HttpServer, { unsubscribeLinks: links }: UnsubscribeRouteDependencies): void {
  const show = { summary: 'Show the unsubscribe page; does not unsubscribe', tags, params, response }
  server.get('/u/:token', { schema: show, config: EVERY_HOST }, async (request, reply) => {
    const page = await pageOf(links, request, (subject) => Promise.resolve(questionPage(subject)))
    return sendPage(reply, page)
  })
  void server.register(async (scope) => {
    // The body is read here, whatever its content type: a form that is malformed gets the page, not a problem.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES }, (_request, body, done) => done(null, body))
    addPostRoute(scope.withTypeProvider(), links)
  })
}

function addPostRoute(server: HttpServer, links: UnsubscribeLinks): void {
  const schema = { summary: 'Unsubscribe by one click (RFC 8058) or by the form of the page', tags, params, response }
  server.post('/u/:token', { schema, config: EVERY_HOST }, async (request, reply) => {
    const page = await pageOf(links, request, (subject) => processForm(links, request, subject))
    return sendPage(reply, page)
  })
}

/** A request of the link, with the parameter that its schema checks. */
type LinkRequest = Pick<FastifyRequest, 'headers' | 'ip' | 'body'> & { readonly params: z.output<typeof params> }

type SubjectPage = { readonly texts: PageTexts; readonly subject: LinkSubject }

async function processForm(links: UnsubscribeLinks, request: LinkRequest, page: SubjectPage): Promise<RecipientPage> {
  const { token } = request.params
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
  const form = await readUnsubscribeForm(body, request.headers['content-type'] ?? '')
  if (form.action === 'none') return questionPage(page)
  if (form.action === 'undo') return undonePage(page, await links.undo(token, form.permit))
  const [how, type] = form.action === 'unsubscribe' ? (['page', form.type] as const) : (['one-click', 0] as const)
  const userAgent = request.headers['user-agent']?.slice(0, MAX_USER_AGENT) ?? null
  const outcome = await links.unsubscribe({ token, how, type, ip: request.ip, userAgent })
  return outcome.outcome === 'done' ? confirmationPage(page, outcome.undo) : brokenLinkPage(404, page.texts)
}

/** The page in the reader's language: that of the link, that of a broken link, or, without a store, the request to try again. */
async function pageOf(
  links: UnsubscribeLinks,
  { params: { token }, headers }: LinkRequest,
  makePage: (page: SubjectPage) => Promise<RecipientPage>,
): Promise<RecipientPage> {
  const texts = pickPageTexts(headers['accept-language'])
  try {
    const subject = await links.show(token)
    return subject === null ? brokenLinkPage(404, texts) : await makePage({ texts, subject })
  } catch (error) {
    if (isRetryable(error)) return busyPage(texts)
    throw error
  }
}

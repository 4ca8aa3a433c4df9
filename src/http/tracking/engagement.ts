/**
 * engagement - the open image and the click redirect of tracked mails
 *
 * The image is always the same, whatever the link, so that it tells nothing about a mail. The redirect goes only where the MAC in its link says; a
 * changed link is a page with 400, never a redirect. Both are answered before they are stored, unless `tracking.durable` is set. Neither sets a
 * cookie nor is cached.
 *
 * RFC 9110 §15.4.3. See also: service/track/tracking-links, tracking/tracking-link, docs/TRACKING.md.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isRetryable } from '../../errors.ts'
import type { LinkClient, TrackingLinks } from '../../service/track/tracking-links.ts'
import type { HttpServer } from '../server/http-server.ts'
import { EVERY_HOST } from './host-filter.ts'
import { pickPageTexts } from './page-texts.ts'
import { brokenLinkPage, busyPage, sendPage } from './recipient-page.ts'

type EngagementRouteDependencies = { readonly trackingLinks: TrackingLinks }

/** GIF89a, one transparent pixel, 43 bytes. */
const PIXEL = Buffer.from('R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==', 'base64')

/** User agents and purposes are text of strangers. */
const MAX_USER_AGENT = 512
const MAX_PURPOSE = 64

/** These routes are for recipients, so the API documents do not list them. */
const options = { schema: { hide: true }, config: EVERY_HOST } as const

export function addEngagementRoutes(server: HttpServer, { trackingLinks }: EngagementRouteDependencies): void {
  server.get<{ Params: { file: string } }>('/o/:file', options, async (request, reply) => {
    const outcome = await outcomeOf(() => trackingLinks.open(request.params.file, clientOf(request)))
    if (outcome.isBusy) return sendBusy(request, reply)
    return reply.header('cache-control', 'no-store, private, max-age=0').type('image/gif').send(PIXEL)
  })
  server.get<{ Params: { token: string; mac: string; target: string } }>('/c/:token/:mac/:target', options, async (request, reply) => {
    const outcome = await outcomeOf(() => trackingLinks.click(request.params, clientOf(request)))
    if (outcome.isBusy) return sendBusy(request, reply)
    if (outcome.value === null) return sendPage(reply, brokenLinkPage(400, pickPageTexts(request.headers['accept-language'])))
    return reply.code(302).headers({ location: outcome.value, 'x-robots-tag': 'noindex, nofollow' }).send()
  })
}

type LinkOutcome<T> = { readonly isBusy: true } | { readonly isBusy: false; readonly value: T }

/** Busy: the store does not answer, and the response depends on it. */
async function outcomeOf<T>(work: () => Promise<T>): Promise<LinkOutcome<T>> {
  try {
    return { isBusy: false, value: await work() }
  } catch (error) {
    if (isRetryable(error)) return { isBusy: true }
    throw error
  }
}

const sendBusy = (request: FastifyRequest, reply: FastifyReply): FastifyReply =>
  sendPage(reply, busyPage(pickPageTexts(request.headers['accept-language'])))

/** What a request says about its client. */
function clientOf({ ip, headers, method }: FastifyRequest): LinkClient {
  const purpose = [headers['sec-purpose'], headers['purpose'], headers['x-moz']].flat().find((each) => each !== undefined)
  return {
    ip,
    userAgent: headers['user-agent']?.slice(0, MAX_USER_AGENT) ?? null,
    method: method === 'HEAD' ? 'HEAD' : 'GET',
    purpose: purpose?.slice(0, MAX_PURPOSE) ?? null,
  }
}

/**
 * content-negotiation - rejects a request whose Accept header excludes the media type of the response, before the route runs
 *
 * Our own API returns JSON; a route with another media type declares it in its config (`produces`). Without an Accept header, any type is accepted.
 *
 * RFC 9110 §12.5.1, §15.5.7. See also: http/server/problem.
 */
import { Fault } from '../../errors.ts'
import type { HttpServer } from './http-server.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The media type of successful responses; null if it depends on the request; application/json by default. */
    readonly produces?: string | null
  }
}

type MediaRange = { readonly type: string; readonly isRefused: boolean }

/** Reads the media ranges of an Accept header, in lower case. Total. */
function readMediaRanges(header: string): readonly MediaRange[] {
  return header
    .toLowerCase()
    .split(',', 100)
    .map((part) => {
      const [type = '', ...parameters] = part.split(';').map((each) => each.trim())
      return { type, isRefused: parameters.some((each) => /^q=0(\.0*)?$/.test(each)) }
    })
}

/** Whether an Accept header allows a media type: the most specific matching range decides. Total. */
function accepts(header: string | undefined, type: string): boolean {
  if (header === undefined || header.trim() === '') return true
  const ranges = readMediaRanges(header)
  for (const candidate of [type, `${type.split('/')[0] ?? ''}/*`, '*/*']) {
    const matching = ranges.filter((range) => range.type === candidate)
    if (matching.length > 0) return matching.some(({ isRefused }) => !isRefused)
  }
  return false
}

/** Adds the check to the routes of this scope. Faults: not_acceptable. */
export function addContentNegotiation(server: HttpServer): void {
  server.addHook('onRequest', async (request) => {
    if (!request.url.startsWith('/v1/')) return
    const { produces: type = 'application/json' } = request.routeOptions.config
    if (type !== null && !accepts(request.headers.accept, type))
      throw new Fault('not_acceptable', `this route returns only ${type} (Accept)`)
  })
}

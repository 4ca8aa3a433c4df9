/**
 * content-negotiation - a client that will not have what we would answer is told so before anything is done
 *
 * Our own API answers JSON; a route that answers otherwise says so in its config (`produces`). No Accept header means anything.
 *
 * RFC 9110 §12.5.1, §15.5.7. See also: http/server/problem.
 */
import { Fault } from '../../errors.ts'
import type { HttpServer } from './http-server.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The media type of good answers; null: it depends on what is asked for; left out: application/json. */
    readonly produces?: string | null
  }
}

type MediaRange = { readonly type: string; readonly isRefused: boolean }

/** Media ranges of an Accept header, in lower case. Total. */
function readMediaRanges(header: string): readonly MediaRange[] {
  return header
    .toLowerCase()
    .split(',', 100)
    .map((part) => {
      const [type = '', ...parameters] = part.split(';').map((each) => each.trim())
      return { type, isRefused: parameters.some((each) => /^q=0(\.0*)?$/.test(each)) }
    })
}

/** Whether a client takes a media type: the most exact range that fits it decides. Total. */
export function accepts(header: string | undefined, type: string): boolean {
  if (header === undefined || header.trim() === '') return true
  const ranges = readMediaRanges(header)
  for (const candidate of [type, `${type.split('/')[0] ?? ''}/*`, '*/*']) {
    const matching = ranges.filter((range) => range.type === candidate)
    if (matching.length > 0) return matching.some(({ isRefused }) => !isRefused)
  }
  return false
}

/** Refuses in this scope. Faults: not_acceptable. */
export function addContentNegotiation(server: HttpServer): void {
  server.addHook('onRequest', async (request) => {
    if (!request.url.startsWith('/v1/')) return
    const { produces: type = 'application/json' } = request.routeOptions.config
    if (type !== null && !accepts(request.headers.accept, type))
      throw new Fault('not_acceptable', `this answers ${type} and nothing else (Accept)`)
  })
}

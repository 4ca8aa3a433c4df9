/**
 * etag - conditional requests: does not send an unchanged resource again, and does not overwrite a changed one
 *
 * Every successful response to a GET of our own API has an ETag: the one that the route sets (a version), or a digest of the response. A request
 * whose `If-None-Match` names it gets 304. Routes that change a versioned resource check `If-Match`.
 *
 * RFC 9110 §8.8.3, §13.1. See also: http/api/account, http/api/webhooks.
 */
import { hash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { HttpServer } from './http-server.ts'

/** The entity tag of a version. */
export const toVersionTag = (version: string | number): string => `"v${version}"`

/** The entity tags in a header, without weakness marks; '*' is one of them. Total. */
function readEntityTags(header: string | undefined): readonly string[] {
  return (header ?? '').match(/\*|"[^"]*"/g) ?? []
}

const matchesTag = (header: string | undefined, tag: string): boolean => {
  const tags = readEntityTags(header)
  return tags.includes('*') || tags.includes(tag)
}

/** Checks `If-Match`, if present, against the current tag. Faults: precondition_failed. */
export function checkIfMatch(request: FastifyRequest, tag: string): void {
  const header = request.headers['if-match']
  // A weak tag never matches (§13.1.1).
  const isWeak = header !== undefined && /\bW\/"/.test(header)
  if (header !== undefined && (isWeak || !matchesTag(header, tag)))
    throw new Fault('precondition_failed', 'the resource has changed since you read it (If-Match): read it again')
}

/**
 * Runs a change after {@link checkIfMatch}. If another change came in between, a request with `If-Match` gets precondition_failed instead of
 * conflict.
 */
export async function changeIfMatch<T>(request: FastifyRequest, change: () => Promise<T>): Promise<T> {
  try {
    return await change()
  } catch (error) {
    if (request.headers['if-match'] === undefined || !(error instanceof Fault) || error.code !== 'conflict') throw error
    throw new Fault('precondition_failed', error.message, { cause: error })
  }
}

/** Adds ETags to the successful GET responses of this scope, and answers `If-None-Match`. */
export function addEtags(server: HttpServer): void {
  server.addHook('onSend', async (request, reply, payload) => {
    if ((request.method !== 'GET' && request.method !== 'HEAD') || reply.statusCode !== 200 || typeof payload !== 'string') return payload
    if (!request.url.startsWith('/v1/')) return payload
    const tag = entityTagOf(reply, payload)
    // The client may store the response, but must revalidate it.
    void reply.header('etag', tag).header('cache-control', 'private, no-cache')
    if (!matchesTag(request.headers['if-none-match'], tag)) return payload
    void reply.code(304).removeHeader('content-length').removeHeader('content-type')
    return ''
  })
}

function entityTagOf(reply: FastifyReply, payload: string): string {
  const routeTag = reply.getHeader('etag')
  return typeof routeTag === 'string' ? routeTag : `"${hash('sha1', payload, 'base64url')}"`
}

/**
 * etag - what has not changed is not sent again, and what has changed meanwhile is not overwritten
 *
 * Every good answer to a GET of our own API has an ETag: the one that its route gave (a version), else a digest of the answer. `If-None-Match` that names it is
 * answered 304. Routes that change a versioned thing heed `If-Match`.
 *
 * RFC 9110 §8.8.3, §13.1. See also: http/api/account, http/api/webhooks.
 */
import { hash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { HttpServer } from './http-server.ts'

/** A quoted tag of a version. */
export const toVersionTag = (version: string | number): string => `"v${version}"`

/** The tags that a header names, weak marks left out; '*' is one of them. Total. */
export function readEntityTags(header: string | undefined): readonly string[] {
  return (header ?? '').match(/\*|"[^"]*"/g) ?? []
}

const matchesTag = (header: string | undefined, tag: string): boolean => {
  const tags = readEntityTags(header)
  return tags.includes('*') || tags.includes(tag)
}

/** Refuses a change of what is not as its asker knows it. Faults: precondition_failed. Without `If-Match` nothing is refused. */
export function checkIfMatch(request: FastifyRequest, tag: string): void {
  const header = request.headers['if-match']
  // A weak tag never fits a change (§13.1.1).
  const isWeak = header !== undefined && /\bW\/"/.test(header)
  if (header !== undefined && (isWeak || !matchesTag(header, tag)))
    throw new Fault('precondition_failed', 'it has changed since you have read it (If-Match): read it again')
}

/** Runs a change that was checked by {@link checkIfMatch}: who was first meanwhile is told of as a failed precondition. */
export async function changeIfMatch<T>(request: FastifyRequest, change: () => Promise<T>): Promise<T> {
  try {
    return await change()
  } catch (error) {
    if (request.headers['if-match'] === undefined || !(error instanceof Fault) || error.code !== 'conflict') throw error
    throw new Fault('precondition_failed', error.message, { cause: error })
  }
}

/** Gives every good answer to a GET its tag, in this scope. */
export function addEtags(server: HttpServer): void {
  server.addHook('onSend', async (request, reply, payload) => {
    if ((request.method !== 'GET' && request.method !== 'HEAD') || reply.statusCode !== 200 || typeof payload !== 'string') return payload
    if (!request.url.startsWith('/v1/')) return payload
    const tag = entityTagOf(reply, payload)
    // It may be kept by who asked, and is asked for again each time.
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

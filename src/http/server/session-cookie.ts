/**
 * session-cookie - the cookie of a console session, and the token that every change must carry beside it
 *
 * | how the browser sees the daemon                  | cookie                                         |
 * |--------------------------------------------------|------------------------------------------------|
 * | https                                            | `__Host-bounced`, Secure                       |
 * | http: loopback, a tunnel, a network without TLS  | `bounced-session`, without Secure and prefix   |
 *
 * Both are HttpOnly and SameSite=Strict and end with the browser. A browser takes `__Host-` and Secure only from https (some also from
 * loopback), so that plain HTTP needs the second; it counts only where TLS is not expected: a Host of loopback, or no https `publicUrl`.
 * Cookies do not know ports: another service on the same loopback can read the second one.
 *
 * A change (any method but GET and HEAD) must repeat in `X-CSRF-Token` a value that is derived from the session's id and that only a page of
 * our own origin can read. A request of a page never gets a challenge of HTTP authentication: the browser would ask for a password.
 *
 * RFC 6265bis (cookies), RFC 9110 §11.6.1 (challenge). See also: service/users/sessions, http/api/session.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isLoopback } from '../../net/peer-network.ts'
import type { HttpServer } from './http-server.ts'

const SECURE_COOKIE = '__Host-bounced'
const PLAIN_COOKIE = 'bounced-session'

const ATTRIBUTES = 'Path=/; HttpOnly; SameSite=Strict'

/** A session's id: 32 bytes in base64url. */
const ID = /^[\w-]{43}$/

function readCookies(header: string | undefined): ReadonlyMap<string, string> {
  const pairs = (header ?? '').split(';', 100).map((part) => part.split('=', 2).map((each) => each.trim()))
  return new Map(pairs.map(([name = '', value = '']) => [name, value]))
}

/** The id in the request's cookie, or null. `publicUrl` tells whether TLS is expected. */
export function readSessionId(request: FastifyRequest, publicUrl: string): string | null {
  const cookies = readCookies(request.headers.cookie)
  const isPlainAllowed = isLoopback(request.hostname.replaceAll(/[[\]]/g, '')) || !publicUrl.startsWith('https:')
  const id = cookies.get(SECURE_COOKIE) ?? (isPlainAllowed ? cookies.get(PLAIN_COOKIE) : undefined) ?? ''
  return ID.test(id) ? id : null
}

/** Sets the cookie. The Origin of the sign-in tells how the browser sees the daemon; without one, `publicUrl` does. */
export function setSessionCookie(request: FastifyRequest, reply: FastifyReply, { id, publicUrl }: { id: string; publicUrl: string }): void {
  const isSecure = (request.headers.origin ?? publicUrl).startsWith('https:')
  void reply.header('set-cookie', isSecure ? `${SECURE_COOKIE}=${id}; Secure; ${ATTRIBUTES}` : `${PLAIN_COOKIE}=${id}; ${ATTRIBUTES}`)
}

/** Removes both cookies. */
export function clearSessionCookie(reply: FastifyReply): void {
  void reply.header('set-cookie', [`${SECURE_COOKIE}=; Secure; Max-Age=0; ${ATTRIBUTES}`, `${PLAIN_COOKIE}=; Max-Age=0; ${ATTRIBUTES}`])
}

const CSRF_HEADER = 'x-csrf-token'

/** The token that belongs to a session. Pure. */
export const csrfTokenOf = (id: string): string => createHash('sha256').update(`csrf ${id}`).digest('base64url')

/** Whether the request carries the session's token. */
export function hasCsrfToken(request: FastifyRequest, id: string): boolean {
  const given = Buffer.from(String(request.headers[CSRF_HEADER] ?? ''))
  const wanted = Buffer.from(csrfTokenOf(id))
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

/** Whether a page made the request: another origin cannot set this header without asking first, which is refused. */
export const isFromPage = (request: FastifyRequest): boolean => request.headers[CSRF_HEADER] !== undefined

/** Removes challenges from the responses to pages. Adds to all routes, the compatible APIs included. */
export function addChallengeFilter(server: HttpServer): void {
  server.addHook('onSend', async (request, reply, payload) => {
    if (reply.statusCode !== 401) return payload
    const cookies = readCookies(request.headers.cookie)
    const isPage = isFromPage(request) || request.headers['sec-fetch-dest'] === 'empty'
    if (isPage || cookies.has(SECURE_COOKIE) || cookies.has(PLAIN_COOKIE)) void reply.removeHeader('www-authenticate')
    return payload
  })
}

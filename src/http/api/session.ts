/**
 * session - signs in to the console and out of it, and sets one's own password
 *
 * A user signs in with a name and a password, an account with an API user and its key. The session's id is in a cookie; the token that changes
 * must carry is in the response.
 *
 * See also: http/server/session-cookie, service/users/sessions, service/users/users.
 */
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import type { Session, SessionService } from '../../service/users/sessions.ts'
import { permissionsOf, ROLE_NAMES } from '../../service/users/roles.ts'
import type { UserService } from '../../service/users/users.ts'
import { limitSignIn, requireSession, type Authenticator } from '../server/authenticate.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { strictObject } from '../server/schemas.ts'
import { clearSessionCookie, csrfTokenOf, isFromPage, readSessionId, setSessionCookie } from '../server/session-cookie.ts'

export type SessionRouteDependencies = {
  readonly sessions: SessionService
  readonly users: UserService
  readonly authenticator: Authenticator
}

const sessionView = z.object({
  signedIn: z.boolean(),
  kind: z.enum(['user', 'account']).nullable().describe('A user of the console, or an account that signed in with its API key'),
  name: z.string().nullable().describe('The name of the user, or the API user'),
  role: z.enum(ROLE_NAMES).nullable().describe('Null for an account'),
  permissions: z.array(z.string()).describe('What the role may do: read, operate, administer'),
  csrfToken: z.string().nullable().describe('Send it as X-CSRF-Token with every request that changes something'),
  idleEndsAt: z.string().nullable().describe('When the session ends if it is not used before'),
  endsAt: z.string().nullable().describe('When the session ends in any case'),
  hasUsers: z
    .boolean()
    .describe('False: nobody can sign in with a password yet; the first start printed a link, and `bounced user add` adds a user'),
})

const secret = z.string().min(1).max(1_000)
const nameSchema = z.string().min(1).max(128)
const signInBody = z
  .union([strictObject({ name: nameSchema, password: secret }), strictObject({ apiUser: nameSchema, apiKey: secret })])
  .meta({ examples: [{ name: 'ann', password: 'correct horse battery staple' }] })

const tags = ['session']
const querystring = strictObject({})

/** The cookie of the session is the sign-in, whatever else the request carries. */
const security = [{ session: [] }]

export function addSessionRoutes(server: HttpServer, dependencies: SessionRouteDependencies): void {
  addReadRoute(server, dependencies)
  addSignInRoute(server, dependencies)
  addSignOutRoute(server, dependencies)
  addPasswordRoute(server, dependencies)
  addLinkRoute(server, dependencies)
}

function addReadRoute(server: HttpServer, { sessions, users, authenticator }: SessionRouteDependencies): void {
  const schema = {
    summary: 'Read who is signed in',
    description: 'Needs no sign-in: without one, or after its end, `signedIn` is false.',
    tags,
    querystring,
    response: { 200: sessionView },
    security: [],
  }
  server.get('/v1/session', { schema }, async (request) => {
    const id = readSessionId(request, authenticator.publicUrl())
    return toSessionView(id, id === null ? null : await sessions.find(id), await users.hasUsers())
  })
}

function addSignInRoute(server: HttpServer, { sessions, authenticator }: SessionRouteDependencies): void {
  const schema = {
    summary: 'Sign in to the console',
    description:
      'Sets the cookie of the session. The request must have the header X-CSRF-Token, with any value: no other site can send it.',
    tags,
    querystring,
    body: signInBody,
    response: { 200: sessionView },
    security: [],
  }
  server.post('/v1/session', { schema }, async (request, reply) => {
    requirePage(request)
    const [kind, name, given] =
      'name' in request.body
        ? (['user', request.body.name, request.body.password] as const)
        : (['account', request.body.apiUser, request.body.apiKey] as const)
    const id = await limitSignIn(authenticator, { address: request.ip, name: `${kind} ${name}` }, () => sessions.start(kind, name, given))
    setSessionCookie(request, reply, { id, publicUrl: authenticator.publicUrl() })
    return toSessionView(id, await sessions.find(id), true)
  })
}

function addSignOutRoute(server: HttpServer, { sessions, authenticator }: SessionRouteDependencies): void {
  const schema = {
    summary: 'Sign out, here or everywhere',
    tags,
    querystring: strictObject({ everywhere: z.enum(['true', 'false']).optional().describe('true: in every browser') }),
    response: { 200: z.object({ ended: z.int().describe('The number of sessions that have ended') }) },
    security,
  }
  server.delete('/v1/session', { schema }, async (request, reply) => {
    const { id, session } = await requireSession(authenticator, request)
    clearSessionCookie(reply)
    if (request.query.everywhere === 'true') return { ended: await sessions.endAll(session, actorOfSession(session)) }
    await sessions.end(id)
    return { ended: 1 }
  })
}

const actorOfSession = ({ kind, name }: Session): string => (kind === 'user' ? `user:${name}` : `api:${name}`)

/** Faults: bad_request. A form of another site could sign a browser in as somebody else. */
function requirePage(request: FastifyRequest): void {
  if (!isFromPage(request)) throw new Fault('bad_request', 'the header X-CSRF-Token is missing')
}

function toSessionView(id: string | null, session: Session | null, hasUsers: boolean): z.output<typeof sessionView> {
  const role = session?.kind === 'user' ? session.role : null
  return {
    signedIn: session !== null,
    kind: session?.kind ?? null,
    name: session?.name ?? null,
    role,
    permissions: role === null ? [] : [...permissionsOf(role)],
    csrfToken: id === null || session === null ? null : csrfTokenOf(id),
    idleEndsAt: session === null ? null : toIsoTimestamp(session.idleEndsAt),
    endsAt: session === null ? null : toIsoTimestamp(session.endsAt),
    hasUsers,
  }
}

function addPasswordRoute(server: HttpServer, { users, authenticator }: SessionRouteDependencies): void {
  const schema = {
    summary: 'Change your own password',
    description: 'Every session of the user ends, this one too: sign in again with the new password.',
    tags,
    querystring,
    body: strictObject({ present: secret, password: secret }),
    response: { 200: z.object({ name: z.string() }) },
    security,
  }
  server.post('/v1/session/password', { schema }, async (request) => {
    const { session } = await requireSession(authenticator, request)
    if (session.kind !== 'user') throw new Fault('forbidden', 'an account has an API key, not a password')
    const { name } = session
    await limitSignIn(authenticator, { address: request.ip, name: `user ${name}` }, async () => {
      await users.setPassword({ name, ...request.body, actor: `user:${name}` })
      return true
    })
    return { name }
  })
}

function addLinkRoute(server: HttpServer, { users, authenticator }: SessionRouteDependencies): void {
  const schema = {
    summary: 'Choose a password with a one-time link',
    description:
      'The link that the first start prints creates the first administrator, who chooses a name; any other link belongs to a user.',
    tags,
    querystring,
    body: strictObject({
      token: secret,
      name: nameSchema.optional(),
      password: secret.optional().describe('Without it, only the link is checked'),
    }),
    response: { 200: z.object({ name: z.string().nullable().describe('The user of the link; null: choose a name') }) },
    security: [],
  }
  server.post('/v1/session/link', { schema }, async (request) => {
    requirePage(request)
    const { token, name = null, password } = request.body
    return limitSignIn(authenticator, { address: request.ip, name: 'link' }, async () =>
      password === undefined ? users.findLink(token) : { name: await users.redeemLink({ token, name, password }) },
    )
  })
}

/**
 * authenticate - identifies the caller of a request: an account, the operator, or a user of the console
 *
 * HTTP Basic with `apiUser:apiKey`, or Bearer with the operator's secret or `apiUser:apiKey`; without an Authorization header, the cookie of a
 * session, with which a change must carry the session's token. The store compares secrets in constant time. After too many failures in one minute, a request is rejected before its secret is checked.
 *
 * RFC 7617, RFC 6750. See also: net/sign-in-limit, store/account/credentials, http/server/session-cookie.
 */
import type { FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { FixedWindowLimit } from '../../net/rate-limit.ts'
import type { SignInLimit, SignInRefusal } from '../../net/sign-in-limit.ts'
import type { Session, SessionService } from '../../service/users/sessions.ts'
import type { Role } from '../../store/account/users.ts'
import { hasCsrfToken, readSessionId } from './session-cookie.ts'

/** `apiUser` is the name that signed in. */
export type Identity =
  | { readonly kind: 'account'; readonly account: number; readonly apiUser: string }
  | { readonly kind: 'operator' }
  | { readonly kind: 'user'; readonly name: string; readonly role: Role }

/** Checks secrets in the store. An unknown secret gives null or false. */
export type CredentialStore = {
  readonly findAccount: (apiUser: string, apiKey: string) => Promise<{ readonly account: number; readonly apiUser: string } | null>
  readonly isOperator: (secret: string) => Promise<boolean>
}

export type Authenticator = {
  readonly credentialStore: CredentialStore
  readonly signInLimit: SignInLimit
  readonly accountRequests: FixedWindowLimit
  /** Null: the console is off, and cookies count for nothing. */
  readonly sessions: Pick<SessionService, 'find'> | null
  /** Where the console is reached; tells whether TLS is expected. */
  readonly publicUrl: () => string
  readonly now: () => number
}

type PresentedCredentials = { readonly user: string | null; readonly secret: string }

/** Reads the Authorization header; null if it is missing or in an unknown format. Total. */
function readAuthorization(header: string | undefined): PresentedCredentials | null {
  const [scheme = '', rest = ''] = (header ?? '').split(/ +/, 2)
  if (rest === '' || rest.length > 1_000) return null
  if (scheme.toLowerCase() === 'basic') return splitCredentials(Buffer.from(rest, 'base64').toString('utf8'))
  if (scheme.toLowerCase() === 'bearer') return splitCredentials(rest) ?? { user: null, secret: rest }
  return null
}

function splitCredentials(text: string): PresentedCredentials | null {
  const colon = text.indexOf(':')
  return colon < 0 ? null : { user: text.slice(0, colon), secret: text.slice(colon + 1) }
}

/** Identifies the caller by the Authorization header or the session. Faults: unauthenticated, rate_limited, forbidden (the token of a change). */
export async function authenticateRequest(authenticator: Authenticator, request: FastifyRequest): Promise<Identity> {
  if (request.headers.authorization === undefined && readSessionId(request, authenticator.publicUrl()) !== null)
    return identityOf(authenticator, (await requireSession(authenticator, request)).session)
  const credentials = readAuthorization(request.headers.authorization)
  if (credentials === null) throw new Fault('unauthenticated', 'sign in with HTTP Basic apiUser:apiKey or with a Bearer token')
  return authenticateCredentials(authenticator, credentials, request.ip)
}

/** Identifies the caller by a name and a secret from the request parameters. Faults: unauthenticated, rate_limited. */
export async function authenticateCredentials(
  authenticator: Authenticator,
  credentials: PresentedCredentials,
  ip: string,
): Promise<Identity> {
  const attempt = { address: ip, name: credentials.user ?? '' }
  const identity = await limitSignIn(authenticator, attempt, () => findIdentity(authenticator.credentialStore, credentials))
  countRequest(authenticator, identity)
  return identity
}

/**
 * Runs one check of a secret within the limits on failures. A check that resolves to null or throws `forbidden` or `not_found` has failed.
 * Faults: unauthenticated (null), rate_limited, and those of the check.
 */
export async function limitSignIn<T>(
  { signInLimit, now }: Pick<Authenticator, 'signInLimit' | 'now'>,
  attempt: { readonly address: string; readonly name: string },
  check: () => Promise<T | null>,
): Promise<T> {
  const refusal = signInLimit.refusalOf(attempt, now())
  if (refusal !== null) throw createFailureLimitFault(refusal)
  let failure: Fault | null = null
  const found = await check().catch((error: unknown) => {
    if (!(error instanceof Fault) || (error.code !== 'forbidden' && error.code !== 'not_found')) throw error
    failure = error
    return null
  })
  if (found === null) {
    // Counted after the lookup, because many valid requests from one address may be in progress.
    const exceeded = signInLimit.countFailure(attempt, now())
    if (exceeded !== null) throw createFailureLimitFault(exceeded)
    throw failure ?? new Fault('unauthenticated', 'the name or the secret is wrong')
  }
  signInLimit.noteSuccess(attempt, now())
  return found
}

/** Faults: rate_limited. */
function countRequest({ accountRequests, now }: Authenticator, identity: Identity): void {
  if (identity.kind === 'account' && !accountRequests.consume(String(identity.account), now()))
    throw new Fault('rate_limited', 'too many requests from this account in one minute (limits.requestsPerMinute)')
}

/** GET and HEAD change nothing (RFC 9110 §9.2.1). */
export const isSafeMethod = ({ method }: Pick<FastifyRequest, 'method'>): boolean => method === 'GET' || method === 'HEAD'

/** The session of the request's cookie. Faults: unauthenticated (there is none, or it has ended), forbidden (a change without its token). */
export async function requireSession(
  { sessions, publicUrl }: Pick<Authenticator, 'sessions' | 'publicUrl'>,
  request: FastifyRequest,
): Promise<{ readonly id: string; readonly session: Session }> {
  const id = readSessionId(request, publicUrl())
  const session = id === null ? null : ((await sessions?.find(id)) ?? null)
  if (id === null || session === null) throw new Fault('unauthenticated', 'the session has ended; sign in again')
  if (!isSafeMethod(request) && !hasCsrfToken(request, id))
    throw new Fault('forbidden', 'the token of the session is missing (X-CSRF-Token)')
  return { id, session }
}

function identityOf(authenticator: Authenticator, session: Session): Identity {
  const identity: Identity =
    session.kind === 'user'
      ? { kind: 'user', name: session.name, role: session.role }
      : { kind: 'account', account: session.account, apiUser: session.name }
  countRequest(authenticator, identity)
  return identity
}

const TOO_MANY_FAILURES = {
  name: 'too many failed sign-ins with this name from this address; wait a minute (limits.failedSignInsPerName)',
  client: 'too many failed sign-ins from this address; wait a minute (limits.failedSignInsPerClient)',
} as const satisfies Record<SignInRefusal, string>

function createFailureLimitFault(refusal: SignInRefusal): Fault {
  return new Fault('rate_limited', TOO_MANY_FAILURES[refusal], { detail: { limit: 'sign-ins' } })
}

/** The message of a sign-in rate limit, for the compatible APIs, which have no code for it; null for any other error. */
export function failureLimitMessage(error: unknown): string | null {
  return error instanceof Fault && error.detail['limit'] === 'sign-ins' ? error.message : null
}

async function findIdentity(credentialStore: CredentialStore, { user, secret }: PresentedCredentials): Promise<Identity | null> {
  if (user === null || user === 'operator') {
    if (await credentialStore.isOperator(secret)) return { kind: 'operator' }
    if (user === null) return null
  }
  const found = await credentialStore.findAccount(user, secret)
  return found === null ? null : { kind: 'account', ...found }
}

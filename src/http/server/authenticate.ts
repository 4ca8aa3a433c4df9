/**
 * authenticate - identifies the caller of a request: an account or the operator
 *
 * HTTP Basic with `apiUser:apiKey`, or Bearer with the operator's secret or `apiUser:apiKey`. The store compares secrets in constant time. After
 * too many failures in one minute, a request is rejected before its secret is checked.
 *
 * RFC 7617, RFC 6750. See also: net/sign-in-limit, store/account/credentials.
 */
import type { FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { FixedWindowLimit } from '../../net/rate-limit.ts'
import type { SignInLimit, SignInRefusal } from '../../net/sign-in-limit.ts'

/** `apiUser` is the name that signed in. */
type Identity = { readonly kind: 'account'; readonly account: number; readonly apiUser: string } | { readonly kind: 'operator' }

/** Checks secrets in the store. An unknown secret gives null or false. */
export type CredentialStore = {
  readonly findAccount: (apiUser: string, apiKey: string) => Promise<{ readonly account: number; readonly apiUser: string } | null>
  readonly isOperator: (secret: string) => Promise<boolean>
}

export type Authenticator = {
  readonly credentialStore: CredentialStore
  readonly signInLimit: SignInLimit
  readonly accountRequests: FixedWindowLimit
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

/** Identifies the caller by the Authorization header. Faults: unauthenticated, rate_limited. */
export async function authenticateRequest(authenticator: Authenticator, request: FastifyRequest): Promise<Identity> {
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
  const { credentialStore, signInLimit, accountRequests, now } = authenticator
  const attempt = { address: ip, name: credentials.user ?? '' }
  const refusal = signInLimit.refusalOf(attempt, now())
  if (refusal !== null) throw createFailureLimitFault(refusal)
  const identity = await findIdentity(credentialStore, credentials)
  if (identity === null) {
    // Counted after the lookup, because many valid requests from one address may be in progress.
    const exceeded = signInLimit.countFailure(attempt, now())
    if (exceeded !== null) throw createFailureLimitFault(exceeded)
    throw new Fault('unauthenticated', 'the apiUser, the apiKey or the secret is wrong')
  }
  signInLimit.noteSuccess(attempt, now())
  if (identity.kind === 'account' && !accountRequests.consume(String(identity.account), now()))
    throw new Fault('rate_limited', 'too many requests from this account in one minute (limits.requestsPerMinute)')
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

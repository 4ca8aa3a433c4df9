/**
 * authenticate - who is asking: an account, or the operator
 *
 * HTTP Basic `apiUser:apiKey`, or Bearer with the operator's secret or `apiUser:apiKey`. The store compares in constant time. Addresses that
 * fail too often in one minute are refused before their secret is looked at.
 *
 * RFC 7617, RFC 6750. See also: http/server/rate-limit, store/account/credentials.
 */
import type { FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { FixedWindowLimit } from './rate-limit.ts'

/** `apiUser` is the name that signed in; the operator has none. */
export type Identity = { readonly kind: 'account'; readonly account: number; readonly apiUser: string } | { readonly kind: 'operator' }

/** The store's side of it. Each resolves to null for a secret that is not known. */
export type CredentialStore = {
  readonly findAccount: (apiUser: string, apiKey: string) => Promise<{ readonly account: number; readonly apiUser: string } | null>
  readonly isOperator: (secret: string) => Promise<boolean>
}

export type Authenticator = {
  readonly credentialStore: CredentialStore
  readonly failedSignIns: FixedWindowLimit
  readonly accountRequests: FixedWindowLimit
  readonly now: () => number
}

type PresentedCredentials = { readonly user: string | null; readonly secret: string }

/** What the Authorization header says; null when it says nothing that we read. Total. */
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

/** Who it is. Faults: unauthenticated, rate_limited. */
export async function authenticateRequest(authenticator: Authenticator, request: FastifyRequest): Promise<Identity> {
  const credentials = readAuthorization(request.headers.authorization)
  if (credentials === null) throw new Fault('unauthenticated', 'sign in by HTTP Basic apiUser:apiKey, or by Bearer')
  return authenticateCredentials(authenticator, credentials, request.ip)
}

/** The same for a name and a secret that came otherwise. Faults as `identify`. */
export async function authenticateCredentials(
  authenticator: Authenticator,
  credentials: PresentedCredentials,
  ip: string,
): Promise<Identity> {
  const { credentialStore, failedSignIns, accountRequests, now } = authenticator
  // By address and name: behind a shared proxy nobody can lock out the others by guessing.
  const failureKey = `${ip} ${credentials.user ?? ''}`.slice(0, 320)
  if (failedSignIns.isExhausted(failureKey, now())) throw createFailureLimitFault()
  const identity = await findIdentity(credentialStore, credentials)
  if (identity === null) {
    // Counted after the look-up: many good requests of one address may be under way at once.
    if (!failedSignIns.consume(failureKey, now())) throw createFailureLimitFault()
    throw new Fault('unauthenticated', 'apiUser and apiKey do not fit, or the secret is not known')
  }
  if (identity.kind === 'account' && !accountRequests.consume(String(identity.account), now()))
    throw new Fault('rate_limited', 'too many requests of this account in one minute (limits.requestsPerMinute)')
  return identity
}

const TOO_MANY_FAILURES = 'too many failed sign-ins of this name from this address; wait a minute'

function createFailureLimitFault(): Fault {
  return new Fault('rate_limited', TOO_MANY_FAILURES, { detail: { limit: 'sign-ins' } })
}

/** What a face without a word for it may say of sign-ins that failed too often; null: it was something else. */
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

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
import type { Quota } from './rate-limit.ts'

/** `apiUser` is the name that signed in; the operator has none. */
export type Identity = { readonly kind: 'account'; readonly account: number; readonly apiUser: string } | { readonly kind: 'operator' }

/** The store's side of it. Each resolves to null for a secret that is not known. */
export type Keys = {
  readonly account: (apiUser: string, apiKey: string) => Promise<{ readonly account: number; readonly apiUser: string } | null>
  readonly operator: (secret: string) => Promise<boolean>
}

export type Gate = { readonly keys: Keys; readonly failures: Quota; readonly requests: Quota; readonly now: () => number }

type Given = { readonly user: string | null; readonly secret: string }

/** What the Authorization header says; null when it says nothing that we read. Total. */
function readAuthorization(header: string | undefined): Given | null {
  const [scheme = '', rest = ''] = (header ?? '').split(/ +/, 2)
  if (rest === '' || rest.length > 1_000) return null
  if (scheme.toLowerCase() === 'basic') return splitPair(Buffer.from(rest, 'base64').toString('utf8'))
  if (scheme.toLowerCase() === 'bearer') return splitPair(rest) ?? { user: null, secret: rest }
  return null
}

function splitPair(text: string): Given | null {
  const colon = text.indexOf(':')
  return colon < 0 ? null : { user: text.slice(0, colon), secret: text.slice(colon + 1) }
}

/** Who it is. Faults: unauthenticated, rate_limited. */
export async function identify(gate: Gate, request: FastifyRequest): Promise<Identity> {
  const given = readAuthorization(request.headers.authorization)
  if (given === null) throw new Fault('unauthenticated', 'sign in by HTTP Basic apiUser:apiKey, or by Bearer')
  return admit(gate, given, request.ip)
}

/** The same for a name and a secret that came otherwise. Faults as `identify`. */
export async function admit(gate: Gate, given: Given, ip: string): Promise<Identity> {
  const { keys, failures, requests, now } = gate
  // By address and name: behind a shared proxy nobody can lock out the others by guessing.
  const guesser = `${ip} ${given.user ?? ''}`.slice(0, 320)
  if (failures.isSpent(guesser, now())) throw tooManyFailures()
  const identity = await lookUp(keys, given)
  if (identity === null) {
    // Counted after the look-up: many good requests of one address may be under way at once.
    if (!failures.take(guesser, now())) throw tooManyFailures()
    throw new Fault('unauthenticated', 'apiUser and apiKey do not fit, or the secret is not known')
  }
  if (identity.kind === 'account' && !requests.take(String(identity.account), now()))
    throw new Fault('rate_limited', 'too many requests of this account in one minute (limits.requestsPerMinute)')
  return identity
}

const TOO_MANY = 'too many failed sign-ins of this name from this address; wait a minute'

function tooManyFailures(): Fault {
  return new Fault('rate_limited', TOO_MANY, { detail: { limit: 'sign-ins' } })
}

/** What a face without a word for it may say of sign-ins that failed too often; null: it was something else. */
export function guessingIn(error: unknown): string | null {
  return error instanceof Fault && error.detail['limit'] === 'sign-ins' ? error.message : null
}

async function lookUp(keys: Keys, { user, secret }: Given): Promise<Identity | null> {
  if (user === null || user === 'operator') {
    if (await keys.operator(secret)) return { kind: 'operator' }
    if (user === null) return null
  }
  const found = await keys.account(user, secret)
  return found === null ? null : { kind: 'account', ...found }
}

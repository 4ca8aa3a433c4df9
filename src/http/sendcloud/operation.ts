/**
 * operation - one call of the vendor's face: its bag of parameters, who asks, and how it is answered
 *
 * GET and POST alike, under both prefixes, HTTP 200 whatever comes. The operation gives an envelope; what it throws becomes one.
 *
 * See also: http/sendcloud/routes (the table of operations).
 */
import type { FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { AccountSettings } from '../../ledger/account-settings.ts'
import type { Telemetry } from '../../telemetry.ts'
import type { Asker } from '../../service/submit/register.ts'
import type { Desk } from '../services.ts'
import { admit, guessingIn } from '../server/authenticate.ts'
import type { Gate } from '../server/authenticate.ts'
import type { Answers } from './response-cache.ts'
import { envelope, TOO_OFTEN } from './envelope.ts'
import type { Envelope } from './envelope.ts'
import { bagOf } from './parameters.ts'
import type { Bag } from './parameters.ts'

/** What an operation works with. `statusDays` is the longest span of emailStatus. */
export type Call = {
  readonly bag: Bag
  readonly by: Asker
  readonly desk: Desk
  readonly settings: AccountSettings
  readonly now: number
  readonly statusDays: number
  readonly answers: Answers
}

export type Operation = (call: Call) => Promise<Envelope>

export type VendorFace = {
  readonly desk: Desk
  readonly gate: Gate
  readonly telemetry: Telemetry
  readonly statusDays: number
  readonly answers: Answers
}

/** Runs one operation. Total: any request gives an answer. */
export async function answer(
  face: VendorFace,
  operation: Operation,
  request: FastifyRequest,
  bag: Bag = bagOf(request.query, request.body),
): Promise<Envelope | typeof TOO_OFTEN> {
  try {
    const by = await signIn(face.gate, bag, request.ip)
    if (by === null) return envelope(40005)
    const settings = await face.desk.settings(by.account)
    return await operation({ bag, by, desk: face.desk, settings, now: face.desk.now(), statusDays: face.statusDays, answers: face.answers })
  } catch (error) {
    if (error instanceof Fault && error.code === 'unauthenticated') return envelope(40005)
    const guessing = guessingIn(error)
    if (guessing !== null) return envelope(40005, {}, guessing)
    if (error instanceof Fault && error.code === 'rate_limited') return TOO_OFTEN
    face.telemetry.log.error({ requestId: request.id, route: request.routeOptions.url, err: error }, 'request failed')
    return envelope(501)
  }
}

/** Whether the server had no room for the request's body. */
export const isOverloaded = (error: unknown): boolean => error instanceof Fault && error.code === 'overloaded'

/** The answer to what failed before there was a call. */
export function envelopeOf(error: unknown): Envelope | typeof TOO_OFTEN {
  return isOverloaded(error) ? TOO_OFTEN : envelope(501)
}

/** Whose call it is, by `apiUser` and `apiKey` among its parameters; null: nobody’s. Faults: unauthenticated, rate_limited. */
export async function signIn(gate: Gate, bag: Bag, ip: string): Promise<Asker | null> {
  const user = bag.get('apiUser') ?? bag.get('api_user') ?? ''
  const secret = bag.get('apiKey') ?? bag.get('api_key') ?? ''
  if (user === '' || secret === '') return null
  const identity = await admit(gate, { user, secret }, ip)
  return identity.kind === 'account' ? { account: identity.account, apiUser: identity.apiUser, ip } : null
}

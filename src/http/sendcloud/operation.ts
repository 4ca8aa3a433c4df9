/**
 * operation - runs one SendCloud operation: collects its parameters, authenticates the caller, and builds the response
 *
 * GET and POST behave the same, under both prefixes, and the response is always HTTP 200. An operation returns an envelope; an error that it
 * throws becomes one.
 *
 * See also: http/sendcloud/routes (the table of operations).
 */
import type { FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { AccountSettings } from '../../ledger/account-settings.ts'
import type { Telemetry } from '../../telemetry.ts'
import type { Caller } from '../../service/caller.ts'
import type { AccountService } from '../services/accounts.ts'
import { authenticateCredentials, failureLimitMessage } from '../server/authenticate.ts'
import type { Authenticator } from '../server/authenticate.ts'
import type { ResponseCache } from './response-cache.ts'
import { createEnvelope, RATE_LIMITED_ENVELOPE } from './envelope.ts'
import type { SendCloudEnvelope } from './envelope.ts'
import { collectParameters } from './parameters.ts'
import type { RequestParameters } from './parameters.ts'

/** What an operation works with. `Needs` are the services that it uses; `maxStatusDays` is the longest period of emailStatus. */
export type SendCloudOperationContext<Needs = object> = {
  readonly parameters: RequestParameters
  readonly caller: Caller
  readonly services: Needs
  readonly settings: AccountSettings
  readonly now: number
  readonly maxStatusDays: number
  readonly responseCache: ResponseCache
}

export type SendCloudOperation<Needs = object> = (context: SendCloudOperationContext<Needs>) => Promise<SendCloudEnvelope>

export type SendCloudDependencies<Needs = object> = {
  readonly services: Needs & { readonly accounts: Pick<AccountService, 'getSettings'>; readonly now: () => number }
  readonly authenticator: Authenticator
  readonly telemetry: Telemetry
  readonly maxStatusDays: number
  readonly responseCache: ResponseCache
}

/** Runs one operation. Total: every request gets an envelope. */
export async function runSendCloudOperation<Needs>(
  dependencies: SendCloudDependencies<Needs>,
  operation: SendCloudOperation<Needs>,
  request: FastifyRequest,
  parameters: RequestParameters = collectParameters(request.query, request.body),
): Promise<SendCloudEnvelope | typeof RATE_LIMITED_ENVELOPE> {
  try {
    const caller = await authenticateParameters(dependencies.authenticator, parameters, request.ip)
    if (caller === null) return createEnvelope(40005)
    const settings = await dependencies.services.accounts.getSettings(caller.account)
    return await operation({
      parameters,
      caller,
      services: dependencies.services,
      settings,
      now: dependencies.services.now(),
      maxStatusDays: dependencies.maxStatusDays,
      responseCache: dependencies.responseCache,
    })
  } catch (error) {
    if (error instanceof Fault && error.code === 'unauthenticated') return createEnvelope(40005)
    const limitMessage = failureLimitMessage(error)
    if (limitMessage !== null) return createEnvelope(40005, {}, limitMessage)
    if (error instanceof Fault && error.code === 'rate_limited') return RATE_LIMITED_ENVELOPE
    dependencies.telemetry.log.error({ requestId: request.id, route: request.routeOptions.url, err: error }, 'request failed')
    return createEnvelope(501)
  }
}

/** Whether the server rejected the request body because too many bodies are open. */
export const isOverloaded = (error: unknown): boolean => error instanceof Fault && error.code === 'overloaded'

/** The response for an error before the operation started. */
export function toErrorEnvelope(error: unknown): SendCloudEnvelope | typeof RATE_LIMITED_ENVELOPE {
  return isOverloaded(error) ? RATE_LIMITED_ENVELOPE : createEnvelope(501)
}

/** Authenticates by the parameters `apiUser` and `apiKey`; null if one is missing. Faults: unauthenticated, rate_limited. */
export async function authenticateParameters(
  authenticator: Authenticator,
  parameters: RequestParameters,
  ip: string,
): Promise<Caller | null> {
  const user = parameters.get('apiUser') ?? parameters.get('api_user') ?? ''
  const secret = parameters.get('apiKey') ?? parameters.get('api_key') ?? ''
  if (user === '' || secret === '') return null
  const identity = await authenticateCredentials(authenticator, { user, secret }, ip)
  return identity.kind === 'account' ? { account: identity.account, apiUser: identity.apiUser, ip } : null
}

/**
 * operation - runs one EngageLab operation: HTTP Basic authentication, parameters from the query and the JSON body, and EngageLab's responses
 *
 * A successful response is `{ result, count, total }`. An error is an HTTP status with `{ code, message }`; the codes are those of the SendCloud
 * API (http/sendcloud/envelope). Unknown parameters are ignored, as in EngageLab's API.
 *
 * See also: http/engagelab/routes, http/server/authenticate, docs/SENDCLOUD.md.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Fault } from '../../errors.ts'
import type { AccountSettings } from '../../ledger/account-settings.ts'
import type { Telemetry } from '../../telemetry.ts'
import type { Caller } from '../../service/caller.ts'
import type { AccountService } from '../services/accounts.ts'
import { failureLimitMessage, authenticateRequest } from '../server/authenticate.ts'
import type { Authenticator } from '../server/authenticate.ts'
import { SENDCLOUD_MESSAGES } from '../sendcloud/envelope.ts'
import type { SendCloudCode } from '../sendcloud/envelope.ts'
import { collectParameters } from '../sendcloud/parameters.ts'
import type { RequestParameters } from '../sendcloud/parameters.ts'

export type EngageLabDependencies<Needs = object> = {
  readonly services: Needs & { readonly accounts: Pick<AccountService, 'getSettings'>; readonly now: () => number }
  readonly authenticator: Authenticator
  readonly telemetry: Telemetry
}

/** What an operation works with. `Needs` are the services that it uses. */
export type EngageLabOperationContext<Needs = object> = {
  readonly parameters: RequestParameters
  readonly caller: Caller
  readonly services: Needs
  readonly settings: AccountSettings
  readonly now: number
}

export type EngageLabListResponse = { readonly result: readonly object[]; readonly count: number; readonly total: number }
export type EngageLabRefusal = { readonly code: SendCloudCode }
export type EngageLabOperation<Needs = object> = (
  context: EngageLabOperationContext<Needs>,
) => Promise<EngageLabListResponse | EngageLabRefusal>

/** The messages that must name EngageLab's own parameters. */
const MESSAGE_OVERRIDES: Partial<Record<SendCloudCode, string>> = {
  40001: 'offset is empty',
  40002: 'offset is invalid',
  40007: 'send_date (start_date) is missing or invalid, the format is yyyy-MM-dd',
  40008: 'end_date is missing or invalid, or the period is too long; the format is yyyy-MM-dd',
  40011: 'email (email_or_domain) is empty',
  40012: 'email (email_or_domain) is invalid',
  40014: 'label_id is empty',
  40015: 'label_id is invalid',
  40016: 'api_user is invalid',
}

const HTTP_STATUSES: Partial<Record<SendCloudCode, number>> = { 40005: 401, 501: 500 }

/** Sends an error by its code. */
export function sendEngageLabRefusal(reply: FastifyReply, code: SendCloudCode): FastifyReply {
  if (code === 40005) void reply.header('www-authenticate', 'Basic realm="bounced", charset="UTF-8"')
  return reply.code(HTTP_STATUSES[code] ?? 400).send({ code, message: MESSAGE_OVERRIDES[code] ?? SENDCLOUD_MESSAGES[code] })
}

/** Sends the error of a rate limit or of an overloaded server. */
export function sendEngageLabRateLimited(reply: FastifyReply): FastifyReply {
  return reply.code(429).header('retry-after', '60').send({ code: 50_000, message: 'interface frequency limited' })
}

/** Runs one operation. Total: every request gets a response. */
export async function runEngageLabOperation<Needs>(
  dependencies: EngageLabDependencies<Needs>,
  operation: EngageLabOperation<Needs>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  try {
    const identity = await authenticateRequest(dependencies.authenticator, request)
    if (identity.kind !== 'account') return sendEngageLabRefusal(reply, 40005)
    const caller: Caller = { account: identity.account, apiUser: identity.apiUser, ip: request.ip }
    const settings = await dependencies.services.accounts.getSettings(caller.account)
    const parameters = collectParameters(joinLists(request.query), joinLists(request.body))
    const result = await operation({ parameters, caller, services: dependencies.services, settings, now: dependencies.services.now() })
    return 'code' in result ? sendEngageLabRefusal(reply, result.code) : result
  } catch (error) {
    return sendErrorRefusal(dependencies, error, request, reply)
  }
}

function sendErrorRefusal(
  { telemetry }: Pick<EngageLabDependencies, 'telemetry'>,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const code = error instanceof Fault ? error.code : null
  if (code === 'unauthenticated' || failureLimitMessage(error) !== null) return sendEngageLabRefusal(reply, 40005)
  if (code === 'rate_limited') return sendEngageLabRateLimited(reply)
  telemetry.log.error({ requestId: request.id, route: request.routeOptions.url, err: error }, 'request failed')
  return sendEngageLabRefusal(reply, 501)
}

/** Joins the lists of a JSON body with semicolons, as the parameter tables expect. */
function joinLists(source: unknown): unknown {
  if (typeof source !== 'object' || source === null) return source
  return Object.fromEntries(Object.entries(source).map(([name, value]) => [name, Array.isArray(value) ? value.join(';') : value]))
}

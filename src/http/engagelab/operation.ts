/**
 * operation - runs one EngageLab operation: HTTP Basic authentication, parameters from the query and the JSON body, and EngageLab's responses
 *
 * A list is `{ result, count, total }`. An error is an HTTP status with `{ code, message }`: 30000 for a wrong key, the codes of
 * http/engagelab/mail-codes for sending, those of the SendCloud API (http/sendcloud/envelope) for the lists, and the HTTP status where neither
 * has a code. Unknown parameters are ignored, as in EngageLab's API.
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
  /** Of the path, the query and the JSON body. */
  readonly parameters: RequestParameters
  /** The JSON body as it came. */
  readonly body: unknown
  readonly caller: Caller
  readonly services: Needs
  readonly settings: AccountSettings
  readonly now: number
}

export type EngageLabListResponse = { readonly result: readonly object[]; readonly count: number; readonly total: number }
/** `status` is 400 by default. */
export type EngageLabRefusal =
  | { readonly code: SendCloudCode }
  | { readonly code: number; readonly message: string; readonly status?: number }
export type EngageLabOperation<Needs = object, Response extends object = EngageLabListResponse> = (
  context: EngageLabOperationContext<Needs>,
) => Promise<Response | EngageLabRefusal>

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

const HTTP_STATUSES: Partial<Record<SendCloudCode, number>> = { 501: 500 }

/** EngageLab's own code of a wrong key (its page "Email Label"). */
const UNAUTHENTICATED = { code: 30_000, message: SENDCLOUD_MESSAGES[40005], status: 401 } as const

/** Sends an error. */
export function sendEngageLabRefusal(reply: FastifyReply, refusal: EngageLabRefusal): FastifyReply {
  const { code } = refusal
  if ('message' in refusal) return reply.code(refusal.status ?? 400).send({ code, message: refusal.message })
  return reply
    .code(HTTP_STATUSES[refusal.code] ?? 400)
    .send({ code, message: MESSAGE_OVERRIDES[refusal.code] ?? SENDCLOUD_MESSAGES[refusal.code] })
}

function sendUnauthenticated(reply: FastifyReply): FastifyReply {
  return sendEngageLabRefusal(reply.header('www-authenticate', 'Basic realm="bounced", charset="UTF-8"'), UNAUTHENTICATED)
}

/** Sends the error of a rate limit or of an overloaded server. */
export function sendEngageLabRateLimited(reply: FastifyReply): FastifyReply {
  return reply.code(429).header('retry-after', '60').send({ code: 50_000, message: 'interface frequency limited' })
}

/** Runs one operation. Total: every request gets a response. */
export async function runEngageLabOperation<Needs>(
  dependencies: EngageLabDependencies<Needs>,
  operation: EngageLabOperation<Needs, object>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  try {
    const identity = await authenticateRequest(dependencies.authenticator, request)
    if (identity.kind !== 'account') return sendUnauthenticated(reply)
    const caller: Caller = { account: identity.account, apiUser: identity.apiUser, ip: request.ip }
    const settings = await dependencies.services.accounts.getSettings(caller.account)
    const { services } = dependencies
    const { body } = request
    const parameters = collectParameters(joinLists(request.query), joinLists(body), request.params)
    const result = await operation({ parameters, body, caller, services, settings, now: services.now() })
    return isRefusal(result) ? sendEngageLabRefusal(reply, result) : result
  } catch (error) {
    return sendErrorRefusal(dependencies, error, request, reply)
  }
}

const isRefusal = (result: object | EngageLabRefusal): result is EngageLabRefusal => 'code' in result

function sendErrorRefusal(
  { telemetry }: Pick<EngageLabDependencies, 'telemetry'>,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const code = error instanceof Fault ? error.code : null
  if (code === 'unauthenticated' || failureLimitMessage(error) !== null) return sendUnauthenticated(reply)
  if (code === 'rate_limited') return sendEngageLabRateLimited(reply)
  telemetry.log.error({ requestId: request.id, route: request.routeOptions.url, err: error }, 'request failed')
  return sendEngageLabRefusal(reply, { code: 501 })
}

/** Joins the lists of a JSON body with semicolons, as the parameter tables expect. */
function joinLists(source: unknown): unknown {
  if (typeof source !== 'object' || source === null) return source
  return Object.fromEntries(Object.entries(source).map(([name, value]) => [name, Array.isArray(value) ? value.join(';') : value]))
}

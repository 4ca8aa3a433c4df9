/**
 * problem - the response to a failed request: problem+json (RFC 9457)
 *
 * The client gets the status, a code and one sentence. The cause and the detail of an internal error go to the log only, with the ID of the
 * request. `code` is a key of FAULTS, or `http` for an error of the HTTP framework.
 *
 * See also: errors (the table), http/sendcloud/envelope (the errors of the SendCloud API).
 */
import { STATUS_CODES } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Fault, FAULTS } from '../../errors.ts'
import type { Telemetry } from '../../telemetry.ts'

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

export const problemSchema = z.object({
  type: z.string().describe('Always about:blank; use `code` to distinguish problems'),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  instance: z.string().describe('The ID of the request, as in the log'),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
})

type Problem = z.output<typeof problemSchema>

type ErrorDescription = { readonly status: number; readonly code: string; readonly detail: string; readonly errors?: Problem['errors'] }

/** What the client may see of an error. Total. */
export function describeError(error: unknown): ErrorDescription {
  if (error instanceof Fault) {
    const { http } = FAULTS[error.code]
    return { status: http, code: error.code, detail: http >= 500 ? toPublicMessage(error) : error.message }
  }
  const validation = readValidationIssues(error)
  if (validation) return { status: 400, code: 'bad_request', detail: describeFirstIssue(validation), errors: validation }
  if (error instanceof Error && 'code' in error && error.code === 'FST_ERR_BAD_URL')
    return { status: 400, code: 'http', detail: 'the URL is not encoded correctly' }
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : 500
  if (typeof status === 'number' && status >= 400 && status < 500)
    return { status, code: 'http', detail: FRAMEWORK_MESSAGES[status] ?? 'the request was rejected' }
  return { status: 500, code: 'internal', detail: 'internal error; the log has the details under the instance ID' }
}

/** Our own messages for framework errors, because the framework's messages quote the request. */
const FRAMEWORK_MESSAGES: Readonly<Record<number, string>> = {
  400: 'the body does not match its content-type',
  405: 'this URL does not support this method',
  413: 'the body is too large (http.bodyBytes)',
  414: 'the URL is too long',
  415: 'send application/json, a form, or multipart/form-data',
}

/** The message of an internal error; specific only if the client can act on it. */
function toPublicMessage(fault: Fault): string {
  if (fault.code === 'overloaded' || fault.code === 'insufficient_storage') return fault.message
  return fault.code === 'store_busy'
    ? 'the store does not answer; try again later'
    : 'internal error; the log has the details under the instance ID'
}

type ValidationIssue = { readonly instancePath?: unknown; readonly message?: unknown; readonly params?: unknown }

/** The schema violations of a request (fastify-type-provider-zod), at most 20. For a union, those of the variant that the client meant. */
function readValidationIssues(error: unknown): { path: string; message: string }[] | null {
  if (!(error instanceof Error) || !('validation' in error) || !Array.isArray(error.validation)) return null
  return error.validation
    .flatMap((issue: ValidationIssue) => {
      const path = typeof issue.instancePath === 'string' ? issue.instancePath : ''
      const message = typeof issue.message === 'string' ? issue.message : 'invalid'
      const intended = findIntendedIssues(issue.params)
      return intended.length === 0
        ? [{ path, message }]
        : intended.map((each) => ({ ...each, path: `${path.replace(/\/$/, '')}${each.path}` }))
    })
    .slice(0, 20)
}

const unionIssueParams = z.object({
  errors: z.array(z.array(z.looseObject({ code: z.string(), path: z.array(z.union([z.string(), z.number()])), message: z.string() }))),
})

/** The issues of the union variant that failed inside the value instead of at its type. */
function findIntendedIssues(params: unknown): { path: string; message: string }[] {
  const parsed = unionIssueParams.safeParse(params)
  const form = parsed.success
    ? parsed.data.errors.find(([first]) => first !== undefined && !(first.code === 'invalid_type' && first.path.length === 0))
    : undefined
  return (form ?? []).map(({ path, message }) => ({ path: path.length === 0 ? '' : `/${path.join('/')}`, message }))
}

function describeFirstIssue(issues: readonly { path: string; message: string }[]): string {
  const [first] = issues
  return first === undefined
    ? 'the request does not match the schema'
    : `${first.path === '' ? 'the request' : first.path}: ${first.message}`
}

/** When a client may try again. A budget is free within seconds; a limit by the minute and a full disk take longer. */
const RETRY_AFTER_SECONDS: Readonly<Record<number, string>> = { 429: '60', 503: '5', 507: '60' }

/** Sends a problem, and logs it if it is an internal error. */
export function sendProblem(telemetry: Telemetry, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const description = describeError(error)
  // http/server/body-limits counts its rejections in a metric; one log line for each would flood the log.
  if (description.status >= 500 && description.code !== 'overloaded')
    telemetry.log.error({ requestId: request.id, route: request.routeOptions.url, err: error }, 'request failed')
  if (description.status === 401) void reply.header('www-authenticate', 'Basic realm="bounced", charset="UTF-8"')
  const retryAfter = RETRY_AFTER_SECONDS[description.status]
  if (retryAfter !== undefined) void reply.header('retry-after', retryAfter)
  const problem: Problem = { type: 'about:blank', title: STATUS_CODES[description.status] ?? 'Error', instance: request.id, ...description }
  // Serialised here, because the response schemas of a route describe successful responses only.
  return reply.code(description.status).type(PROBLEM_TYPE).serializer(JSON.stringify).send(problem)
}

/**
 * problem - what a request hears when it fails: problem+json (RFC 9457)
 *
 * A stranger hears the status, our code and one sentence; causes and detail go to the log, with the request's id. `code` is a row of
 * FAULTS, or `http` for what the HTTP framework refused by itself.
 *
 * See also: error (the table), http/sendcloud/envelope (the other face).
 */
import { STATUS_CODES } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { Fault, FAULTS } from '../../errors.ts'
import type { Telemetry } from '../../telemetry.ts'

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

export const problemSchema = z.object({
  type: z.string().describe('Always about:blank; `code` tells problems apart'),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  instance: z.string().describe('The id of the request, as the log has it'),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
})

type Problem = z.output<typeof problemSchema>

type ErrorDescription = { readonly status: number; readonly code: string; readonly detail: string; readonly errors?: Problem['errors'] }

/** What a stranger may hear of any error. Total. */
export function describeError(error: unknown): ErrorDescription {
  if (error instanceof Fault) {
    const { http } = FAULTS[error.code]
    return { status: http, code: error.code, detail: http >= 500 ? toPublicMessage(error) : error.message }
  }
  const validation = readValidationIssues(error)
  if (validation) return { status: 400, code: 'bad_request', detail: describeFirstIssue(validation), errors: validation }
  if (error instanceof Error && 'code' in error && error.code === 'FST_ERR_BAD_URL')
    return { status: 400, code: 'http', detail: 'the address is not well encoded' }
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : 500
  if (typeof status === 'number' && status >= 400 && status < 500)
    return { status, code: 'http', detail: FRAMEWORK_MESSAGES[status] ?? 'the request was refused' }
  return { status: 500, code: 'internal', detail: 'something went wrong here; the log knows it by the instance' }
}

/** What the framework refuses, in our words: its own quote the request. */
const FRAMEWORK_MESSAGES: Readonly<Record<number, string>> = {
  400: 'the body cannot be read as what its content-type says',
  405: 'this address does not know that method',
  413: 'the body is too large (http.bodyBytes)',
  414: 'the address is too long',
  415: 'send application/json, a form, or multipart/form-data',
}

/** Of our own troubles only those that tell the caller what to do. */
function toPublicMessage(fault: Fault): string {
  if (fault.code === 'overloaded') return fault.message
  return fault.code === 'store_busy'
    ? 'the store does not answer; try again later'
    : 'something went wrong here; the log knows it by the instance'
}

type ValidationIssue = { readonly instancePath?: unknown; readonly message?: unknown; readonly params?: unknown }

/** The issues of a request that its schema refused (fastify-type-provider-zod), at most 20; of a choice those of the form that was meant. */
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

/** Of the forms that a value may have, the one that failed within and not at once. */
function findIntendedIssues(params: unknown): { path: string; message: string }[] {
  const parsed = unionIssueParams.safeParse(params)
  const form = parsed.success
    ? parsed.data.errors.find(([first]) => first !== undefined && !(first.code === 'invalid_type' && first.path.length === 0))
    : undefined
  return (form ?? []).map(({ path, message }) => ({ path: path.length === 0 ? '' : `/${path.join('/')}`, message }))
}

function describeFirstIssue(issues: readonly { path: string; message: string }[]): string {
  const [first] = issues
  return first === undefined ? 'the request does not fit its schema' : `${first.path === '' ? 'the request' : first.path}: ${first.message}`
}

/** Answers with a problem, and logs what is our own fault. */
export function sendProblem(telemetry: Telemetry, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const description = describeError(error)
  // What http/server/body-limits refuses it counts: a line for each would be a flood of its own.
  if (description.status >= 500 && description.code !== 'overloaded')
    telemetry.log.error({ requestId: request.id, route: request.routeOptions.url, err: error }, 'request failed')
  if (description.status === 401) void reply.header('www-authenticate', 'Basic realm="bounced", charset="UTF-8"')
  if (description.status === 429 || description.status === 503) void reply.header('retry-after', description.status === 429 ? '60' : '5')
  const problem: Problem = { type: 'about:blank', title: STATUS_CODES[description.status] ?? 'Error', instance: request.id, ...description }
  // By hand: the answer schemas of a route describe its good answers.
  return reply.code(description.status).type(PROBLEM_TYPE).serializer(JSON.stringify).send(problem)
}

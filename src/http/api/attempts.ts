/**
 * attempts - the outcome of SMTP dialogues, told by senders that deliver themselves
 *
 * One object or an array. An attempt runs through the same classification as a report, with `asynchronous: false`; a repeat is harmless.
 * `final` defaults to true for 2xx and for a 5xx that no rule calls a deferral.
 *
 * See also: service/submit/reported-attempts.
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import type { ReportedAttempt } from '../../service/submit/reported-attempts.ts'
import type { Services } from '../services.ts'
import type { Authorizer } from '../server/authorize.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

const attemptSchema = strictObject({
  emailId: z.string().min(1).max(1_024),
  code: z.int().min(200).max(599).nullable().describe('The reply code; null when no reply came'),
  text: z.string().max(20_000).default('').describe('The words of the reply, all its lines'),
  error: z.enum(['dns', 'connect', 'timeout', 'tls', 'dropped']).optional().describe('Why no reply came'),
  mx: z.string().max(255).optional(),
  egressIp: z.union([z.ipv4(), z.ipv6()]).optional(),
  attempt: z.int().min(0).max(1_000_000).optional().describe('The number of the attempt; repeats of a number count once'),
  final: z.boolean().optional(),
  at: z.iso.datetime({ offset: true }).optional(),
}).refine((value) => value.code !== null || value.error !== undefined, {
  error: 'code is null: say why no reply came (error)',
  path: ['error'],
})

const attemptResult = z.object({
  emailId: z.string(),
  known: z.boolean(),
  fresh: z.boolean().describe('False: this attempt was told before'),
  final: z.boolean(),
  status: z.int().nullable(),
  subStatus: z.int().nullable(),
  reason: z.string().nullable(),
  permanence: z.string().nullable(),
  rule: z.string().nullable(),
})

export type AttemptRouteDependencies = { readonly services: Services; readonly authorizer: Authorizer; readonly attemptsPerRequest: number }

export function addAttemptRoutes(server: HttpServer, { services, authorizer, attemptsPerRequest }: AttemptRouteDependencies): void {
  const body = z.union([
    attemptSchema,
    z.array(attemptSchema).min(1).max(attemptsPerRequest, `at most ${attemptsPerRequest} (limits.attemptsPerRequest)`),
  ])
  const response = { 200: z.object({ attempts: z.array(attemptResult) }) }
  server.post(
    '/v1/attempts',
    {
      schema: {
        summary: 'Tell the outcome of SMTP dialogues',
        tags: ['messages'],
        querystring: strictObject(operatorQuery),
        body,
        response,
      },
    },
    async (request) => {
      const caller = await authorizer.requireAccount(request)
      const input = Array.isArray(request.body) ? request.body : [request.body]
      const attempts = await services.reportAttempts(caller, input.map(toReportedAttempt))
      if (!Array.isArray(request.body) && attempts[0]?.known === false) throw new Fault('not_found', 'no mail has this emailId')
      return { attempts: [...attempts] }
    },
  )
}

function toReportedAttempt(input: z.output<typeof attemptSchema>): ReportedAttempt {
  return {
    emailId: input.emailId,
    code: input.code,
    text: input.text,
    error: input.error ?? null,
    mx: input.mx?.toLowerCase() ?? null,
    egressIp: input.egressIp ?? null,
    attempt: input.attempt ?? null,
    final: input.final ?? null,
    at: input.at === undefined ? null : Date.parse(input.at),
  }
}

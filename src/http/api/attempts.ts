/**
 * attempts - accepts the outcomes of delivery attempts from senders that run their own MTA
 *
 * The body is one attempt or an array. An attempt is classified like a report, with `asynchronous: false`. Reporting an attempt again
 * changes nothing. `final` defaults to true for a 2xx reply and for a 5xx reply that no rule treats as a deferral.
 *
 * See also: service/submit/reported-attempts.
 */
import { z } from 'zod'
import { DELIVERY_STATUS_NAMES } from '../../ledger/facts/decision.ts'
import { statusName } from '../server/fact-view.ts'
import { DIALOGUE_ERRORS } from '../../ledger/facts/delivery-facts.ts'
import { Fault } from '../../errors.ts'
import type { ReportAttempts, ReportedAttempt } from '../../service/submit/reported-attempts.ts'
import type { Authorizer } from '../server/authorize.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

type AttemptRouteDependencies = {
  readonly reportAttempts: ReportAttempts
  readonly authorizer: Authorizer
  readonly attemptsPerRequest: number
}

const attemptSchema = strictObject({
  emailId: z.string().min(1).max(1_024),
  code: z.int().min(200).max(599).nullable().describe('The reply code; null if there was no reply'),
  text: z.string().max(20_000).default('').describe('The text of the reply, all lines'),
  error: z.enum(DIALOGUE_ERRORS).optional().describe('Why there was no reply'),
  mx: z.string().max(255).optional(),
  egressIp: z.union([z.ipv4(), z.ipv6()]).optional(),
  attempt: z.int().min(0).max(1_000_000).optional().describe('The number of the attempt; a number that is reported again counts once'),
  final: z.boolean().optional(),
  at: z.iso.datetime({ offset: true }).optional(),
}).refine((value) => value.code !== null || value.error !== undefined, {
  error: 'code is null: set error to say why there was no reply',
  path: ['error'],
})

const attemptResult = z.object({
  emailId: z.string(),
  known: z.boolean(),
  fresh: z.boolean().describe('False if this attempt was reported before'),
  final: z.boolean(),
  status: z.int().nullable(),
  statusName: statusName.nullable(),
  subStatus: z.int().nullable(),
  reason: z.string().nullable(),
  permanence: z.string().nullable(),
  rule: z.string().nullable(),
})

export function addAttemptRoutes(server: HttpServer, { reportAttempts, authorizer, attemptsPerRequest }: AttemptRouteDependencies): void {
  const body = z.union([
    attemptSchema,
    z.array(attemptSchema).min(1).max(attemptsPerRequest, `at most ${attemptsPerRequest} (limits.attemptsPerRequest)`),
  ])
  const schema = {
    summary: 'Report the outcome of delivery attempts',
    tags: ['messages'],
    querystring: strictObject(operatorQuery),
    body,
    response: { 200: z.object({ attempts: z.array(attemptResult) }) },
  }
  server.post('/v1/attempts', { schema }, async (request) => {
    const caller = await authorizer.requireAccount(request)
    const input = Array.isArray(request.body) ? request.body : [request.body]
    const attempts = await reportAttempts(caller, input.map(toReportedAttempt))
    if (!Array.isArray(request.body) && attempts[0]?.known === false) throw new Fault('not_found', 'no message has this emailId')
    return {
      attempts: attempts.map((each) => ({ ...each, statusName: each.status === null ? null : DELIVERY_STATUS_NAMES[each.status] })),
    }
  })
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

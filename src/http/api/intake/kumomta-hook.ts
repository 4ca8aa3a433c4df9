/**
 * kumomta-hook - takes log records of KumoMTA: one, or an array of them
 *
 * With the key of an account, mails of that account are found; with the operator's secret, those of all. An error makes KumoMTA send the records again.
 *
 * See also: service/follow/log-hook, docs/FOLLOW.md.
 */
import { z } from 'zod'
import type { RecordLogRecords } from '../../../service/follow/log-hook.ts'
import type { Authorizer } from '../../server/authorize.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { operatorQuery, strictObject } from '../../server/schemas.ts'

type LogHookDependencies = {
  readonly recordLogRecords: RecordLogRecords
  readonly authorizer: Authorizer
  readonly attemptsPerRequest: number
}

const record = z.looseObject({ type: z.string().max(64), id: z.string().max(128) })

const response = {
  200: z.object({
    recorded: z.int().describe('Outcomes of registered mails'),
    repeated: z.int().describe('Outcomes that were recorded before'),
    unmatched: z.int().describe('Outcomes of mails that are not registered here'),
    handedOver: z.int().describe('Deliveries to a relay, which say nothing about the recipient'),
    ignored: z.int().describe('Records that name no outcome, such as Feedback'),
  }),
}

export function addLogHookRoutes(server: HttpServer, { recordLogRecords, authorizer, attemptsPerRequest }: LogHookDependencies): void {
  const body = z.union([
    z.array(record).min(1).max(attemptsPerRequest, `at most ${attemptsPerRequest} (limits.attemptsPerRequest); lower batch_size`),
    record,
  ])
  const schema = { summary: 'Take log records of KumoMTA', tags: ['messages'], querystring: strictObject(operatorQuery), body, response }
  server.post('/in/kumomta', { schema }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    const records = Array.isArray(request.body) ? request.body : [request.body]
    const { recorded, known: repeated, unmatched, handedOver, ignored } = await recordLogRecords(caller?.account ?? null, records)
    return { recorded, repeated, unmatched, handedOver, ignored }
  })
}

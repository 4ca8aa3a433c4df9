/**
 * status - what waits where, for the operator: queue, outbox, inbox, the reports of the last hour, and the disk
 *
 * See also: http/services/overview, service/disk-space.
 */
import { z } from 'zod'
import type { OverviewService } from '../../services/overview.ts'
import type { Authorizer } from '../../server/authorize.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { strictObject } from '../../server/schemas.ts'

type StatusRouteDependencies = { readonly overview: Pick<OverviewService, 'readStatus'>; readonly authorizer: Authorizer }

const statusView = z.object({
  queued: z.int().describe('Messages in the delivery queue'),
  outbox: z.int().describe('Webhook events that wait; at most 100,001 are counted'),
  inbox: z.int().describe('Mails that wait for a decision; at most 100,001 are counted'),
  reportsLastHour: z.int().describe('Reports received in the last hour; at most 100,001 are counted'),
  disk: z.object({
    freeBytes: z.number().nullable().describe('Null if it cannot be measured'),
    floorBytes: z.number().describe('Below it, new mail is refused (limits.freeDiskBytes)'),
    isLow: z.boolean(),
  }),
})

export function addStatusRoutes(server: HttpServer, { overview, authorizer }: StatusRouteDependencies): void {
  const schema = {
    summary: 'Read what waits: queue, outbox, inbox, intake and disk',
    tags: ['operator'],
    querystring: strictObject({}),
    response: { 200: statusView },
  }
  server.get('/v1/status', { schema }, async (request) => {
    await authorizer.requireOperator(request)
    return overview.readStatus()
  })
}

/**
 * broadcasts - the results of a broadcast, as broadcast products show them
 *
 * Results have a rank of their own and only move forward: Delivered never becomes Bounced here. Duplicates and recipients without an
 * address for the broadcast's type are included. To get the results as a file, use `POST /v1/exports`.
 *
 * See also: ledger/project/broadcast-result, http/services/broadcasts, docs/API.md.
 */
import { z } from 'zod'
import { DELIVERY_STATUS_NAMES } from '../../ledger/facts/decision.ts'
import { statusName } from '../server/fact-view.ts'
import { Fault } from '../../errors.ts'
import { type BroadcastResult, RESULT_NAMES } from '../../ledger/project/broadcast-result.ts'
import type { DeliveryRow } from '../../ledger/project/state.ts'
import type { ReadBroadcastResults } from '../services/broadcasts.ts'
import type { MessageService } from '../services/messages.ts'
import type { Authorizer } from '../server/authorize.ts'
import { INVALID_CURSOR } from '../server/cursor.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { operatorQuery, strictObject } from '../server/schemas.ts'

type BroadcastRouteDependencies = {
  readonly readBroadcastResults: ReadBroadcastResults
  readonly messages: Pick<MessageService, 'findUnbilled'>
  readonly authorizer: Authorizer
}

// Checked cast: the keys of the table.
const RESULT_KEYS = Object.keys(RESULT_NAMES) as [BroadcastResult, ...BroadcastResult[]]

const resultName = z.enum(Object.values(RESULT_NAMES))

const resultView = z.object({
  emailId: z.string().nullable(),
  recipient: z.string().nullable(),
  result: resultName,
  resultAt: z.string().describe('When the delivery reached this result'),
  status: z.int(),
  statusName,
  subStatus: z.int().nullable(),
  asynchronousBounce: z.boolean(),
  reason: z.string().nullable(),
  fault: z.string().nullable(),
  billable: z.boolean().describe('False if the bounce list refused the recipient or the broadcast skipped it'),
  requestedAt: z.string(),
  deliveredAt: z.string().nullable(),
  openedAt: z.string().nullable(),
})

const resultsResponse = z.object({
  broadcast: z.string(),
  total: z.int(),
  counts: z.record(resultName, z.int()).describe('The number of deliveries by result; includes results with a count of 0'),
  results: z.array(resultView),
  next: z.string().nullable(),
})

/** The handle of a copy, or the delivery id that `next` was before. */
const CURSOR = /^[a-z2-7]{13}(?:[a-z2-7]{0,11}m\d{1,6})?$/

const querystring = strictObject({
  ...operatorQuery,
  result: z.enum(RESULT_KEYS).optional(),
  after: z.string().regex(CURSOR, INVALID_CURSOR).optional().describe('`next` of the previous page'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

export function addBroadcastRoutes(server: HttpServer, { readBroadcastResults, messages, authorizer }: BroadcastRouteDependencies): void {
  const params = z.object({ id: z.string().min(1).max(128) })
  const schema = { summary: 'Read the results of a broadcast', tags: ['messages'], params, querystring, response: { 200: resultsResponse } }
  server.get('/v1/broadcasts/:id/results', { schema }, async (request) => {
    const { account } = await authorizer.requireAccount(request)
    const { id: broadcast } = request.params
    const { result = null, after = null, limit } = request.query
    const { counts, rows, next } = await readBroadcastResults(account, broadcast, { result, after, limit })
    const total = [...counts.values()].reduce((sum, n) => sum + n, 0)
    if (total === 0) throw new Fault('not_found', 'no message was registered for this broadcast')
    const countsByName = Object.fromEntries(RESULT_KEYS.map((each) => [RESULT_NAMES[each], counts.get(each) ?? 0]))
    const unbilled = await messages.findUnbilled(account, rows)
    return { broadcast, total, counts: countsByName, results: rows.map((row) => toResultView(row, !unbilled.has(row.deliveryId))), next }
  })
}

function toResultView(row: DeliveryRow, billable: boolean): z.output<typeof resultView> {
  const { emailId, recipient, status, subStatus, reason, fault } = row
  return {
    emailId,
    recipient,
    result: RESULT_NAMES[row.result],
    resultAt: toIsoTimestamp(row.resultAt),
    status,
    statusName: DELIVERY_STATUS_NAMES[status],
    subStatus,
    asynchronousBounce: row.asynchronous,
    reason,
    fault,
    billable,
    requestedAt: toIsoTimestamp(row.requestedAt),
    deliveredAt: toIsoTimestamp(row.deliveredAt),
    openedAt: toIsoTimestamp(row.openedAt),
  }
}

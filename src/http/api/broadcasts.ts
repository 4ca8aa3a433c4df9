/**
 * broadcasts - what became of a broadcast, as broadcast products show it
 *
 * Results go strictly forward and have ranks of their own: here Delivered never becomes Bounced. Duplicates and recipients without an
 * address for the broadcast's type are in it. As a file: `POST /v1/exports`.
 *
 * See also: ledger/project/broadcast-result, store/mail/broadcasts, docs/API.md.
 */
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import { RESULT_NAMES } from '../../ledger/project/broadcast-result.ts'
import type { DeliveryRow, Result } from '../../ledger/project/state.ts'
import type { Desk } from '../services.ts'
import { isoOf } from '../server/fact-view.ts'
import type { Guard } from '../server/authorize.ts'
import type { Web } from '../server/server.ts'
import { operatorQuery, strict } from '../server/schemas.ts'

// The checked door: the keys of the table.
const RESULTS = Object.keys(RESULT_NAMES) as [Result, ...Result[]]

const name = z.enum(Object.values(RESULT_NAMES))

const one = z.object({
  emailId: z.string().nullable(),
  recipient: z.string().nullable(),
  result: name,
  resultAt: z.string().describe('When it came to this result'),
  status: z.int(),
  subStatus: z.int().nullable(),
  asynchronousBounce: z.boolean(),
  reason: z.string().nullable(),
  fault: z.string().nullable(),
  billable: z.boolean().describe('False when our own bounce list answered, or the broadcast left it out'),
  requestedAt: z.string(),
  deliveredAt: z.string().nullable(),
  openedAt: z.string().nullable(),
})

const answer = z.object({
  broadcast: z.string(),
  total: z.int(),
  counts: z.record(name, z.int()).describe('Every result, also those that nobody stands at'),
  results: z.array(one),
  next: z.string().nullable(),
})

const ID = /^[a-z2-7]{13}$/

const querystring = strict({
  ...operatorQuery,
  result: z.enum(RESULTS).optional(),
  after: z.string().regex(ID, 'take the `next` of the page before as it is').optional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

export function addBroadcasts(server: Web, { desk, guard }: { readonly desk: Desk; readonly guard: Guard }): void {
  const params = z.object({ id: z.string().min(1).max(128) })
  const schema = { summary: 'Results of a broadcast', tags: ['messages'], params, querystring, response: { 200: answer } }
  server.get('/v1/broadcasts/:id/results', { schema }, async (request) => {
    const { account } = await guard.account(request)
    const { id: broadcast } = request.params
    const { result = null, after = null, limit } = request.query
    const { counts, rows } = await desk.broadcast(account, broadcast, { result, after, limit })
    const total = [...counts.values()].reduce((sum, n) => sum + n, 0)
    if (total === 0) throw new Fault('not_found', 'no mail was registered for this broadcast')
    const named = Object.fromEntries(RESULTS.map((each) => [RESULT_NAMES[each], counts.get(each) ?? 0]))
    const next = rows.length < limit ? null : (rows.at(-1)?.deliveryId ?? null)
    const free = await desk.unbilled(account, rows)
    return { broadcast, total, counts: named, results: rows.map((row) => view(row, !free.has(row.deliveryId))), next }
  })
}

function view(row: DeliveryRow, billable: boolean): z.output<typeof one> {
  const { emailId, recipient, status, subStatus, reason, fault } = row
  return {
    emailId,
    recipient,
    result: RESULT_NAMES[row.result],
    resultAt: isoOf(row.resultAt),
    status,
    subStatus,
    asynchronousBounce: row.asynchronous,
    reason,
    fault,
    billable,
    requestedAt: isoOf(row.requestedAt),
    deliveredAt: isoOf(row.deliveredAt),
    openedAt: isoOf(row.openedAt),
  }
}

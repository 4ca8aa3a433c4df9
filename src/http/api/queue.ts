/**
 * queue - how the delivery queue stands: its lanes with state, reason, next sending time, rates and evidence, and series for charts
 *
 * An account sees its own lanes; the operator all, or those of the account that he names. Any node answers, from the picture that the
 * delivering node keeps in the store.
 *
 * See also: service/deliver/queue-api, http/api/queue-commands (what may be done), docs/QUEUE.md.
 */
import { z } from 'zod'
import type { RateAverages } from '../../queue/observe/lane-view.ts'
import { evidenceFor } from '../../queue/observe/transition-facts.ts'
import type { LaneSnapshotRow } from '../../store/queue/lane-snapshots.ts'
import { CURSOR_SCHEMAS, decodeCursor, encodeCursor } from '../server/cursor.ts'
import type { Services } from '../services.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { Authorizer } from '../server/authorize.ts'
import type { HttpServer } from '../server/http-server.ts'
import { domainName, operatorQuery, strictObject } from '../server/schemas.ts'

const LANE_STATES = ['active', 'throttled', 'paused', 'probing', 'recovering', 'manual', 'limited'] as const

const averagesView = z.object({ last5s: z.number(), last15s: z.number(), last30s: z.number() })

const laneView = z.object({
  account: z.string().nullable().describe('Whose it is, where the operator asks for everybody’s'),
  domain: z.string().describe('The receiving domain'),
  state: z.enum(LANE_STATES).describe('manual: paused by hand; limited: a rate or a warm-up of our own holds it'),
  stopped: z.boolean(),
  reason: z.string().nullable().describe('IP reputation, Domain limitation, IP connection frequency, Server unreachable, List quality, …'),
  key: z.string().nullable().describe('What holds it; of several the one that opens last'),
  class: z.string().nullable().describe('The class of answers that closed it'),
  n: z.int().describe('How many pauses in a row'),
  nextSendingAt: z.string().nullable().describe('Null where it sends, or where only an answer or an operator lets it'),
  waiting: z.int(),
  inFlight: z.int(),
  perMinute: z.number().nullable().describe('The rate that was set for it'),
  rates: z.object({ in: averagesView, tryOut: averagesView, out: averagesView }).describe('Mails a second: taken in, tried, gone out'),
  evidence: z
    .array(z.object({ at: z.string(), code: z.int().nullable(), text: z.string().nullable() }))
    .describe('Answers that closed the key; those to another account’s mail without their words'),
  seenAt: z.string().describe('When the delivering node last saw it change'),
})

const listResponse = z.object({
  delivering: z.boolean().describe('False: no node has looked at the queue for a while, and this is how it stood then'),
  seenAt: z.string().nullable().describe('When a delivering node last looked; null: none ever has (delivery.mode)'),
  lanes: z.array(laneView),
  next: z.string().nullable(),
})

const listQuery = strictObject({
  ...operatorQuery,
  domain: domainName.optional(),
  after: z.string().max(400).optional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

const seriesQuery = strictObject({
  ...operatorQuery,
  domain: domainName.optional(),
  step: z.enum(['5s', '1m']).default('5s').describe('5s: the last hour; 1m: the last day'),
})

const seriesResponse = z.object({
  step: z.enum(['5s', '1m']),
  delivering: z.boolean(),
  seenAt: z.string().nullable(),
  steps: z
    .array(z.object({ at: z.string(), in: z.int(), tryOut: z.int(), out: z.int() }))
    .describe('Mails in each step, oldest first; quiet steps are left out'),
})

export type QueueRouteDependencies = { readonly services: Services; readonly authorizer: Authorizer }

const tags = ['queue']

export function addQueueRoutes(server: HttpServer, { services, authorizer }: QueueRouteDependencies): void {
  const list = { summary: 'Lanes of the delivery queue', tags, querystring: listQuery, response: { 200: listResponse } }
  server.get('/v1/queue', { schema: list }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    const { domain = null, after, limit } = request.query
    const account = caller?.account ?? null
    const query = { account, domain, after: decodeCursor(after ?? null, CURSOR_SCHEMAS.lane), limit }
    const [{ delivering, seenAt }, rows] = await Promise.all([services.queue.deliveryStatus(), services.queue.listLanes(query)])
    const accountNames = account === null ? await services.listAccountNames() : null
    const lanes = rows.map((row) =>
      toLaneView(row, { account: caller === null || caller.isOperator === true ? 0 : caller.account, accountNames }),
    )
    const last = rows.at(-1)
    return {
      delivering,
      seenAt: toIsoTimestamp(seenAt),
      lanes,
      next: last === undefined || rows.length < limit ? null : encodeCursor({ account: last.account, domain: last.domain }),
    }
  })
  const series = { summary: 'Rates over time, for charts', tags, querystring: seriesQuery, response: { 200: seriesResponse } }
  server.get('/v1/queue/series', { schema: series }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    const { domain = null, step } = request.query
    const query = { account: caller?.account ?? null, domain, width: step === '5s' ? 'fives' : 'minutes' } as const
    const [{ delivering, seenAt }, steps] = await Promise.all([services.queue.deliveryStatus(), services.queue.listThroughput(query)])
    const stepViews = steps.map(({ at, ins, tries, outs }) => ({ at: toIsoTimestamp(at), in: ins, tryOut: tries, out: outs }))
    return { step, delivering, seenAt: toIsoTimestamp(seenAt), steps: stepViews }
  })
}

type LaneViewer = { readonly account: number; readonly accountNames: ReadonlyMap<number, string> | null }

function toLaneView(
  { account, domain, status, savedAt }: LaneSnapshotRow,
  { account: viewerAccount, accountNames }: LaneViewer,
): z.output<typeof laneView> {
  const { state, isStopped, reason, key, class: name, n, nextSendingAt, waiting, inFlight, perMinute, rates, evidence } = status
  return {
    account: accountNames?.get(account) ?? null,
    domain,
    state,
    stopped: isStopped,
    reason,
    key,
    class: name,
    n,
    nextSendingAt: toIsoTimestamp(nextSendingAt),
    waiting,
    inFlight,
    perMinute,
    rates: { in: toAveragesView(rates.in), tryOut: toAveragesView(rates.try), out: toAveragesView(rates.out) },
    evidence: evidenceFor(viewerAccount, evidence).map(({ at, code, text }) => ({ at: toIsoTimestamp(at), code, text })),
    seenAt: toIsoTimestamp(savedAt),
  }
}

/** More digits than these say nothing. */
const roundRate = (rate: number): number => Math.round(rate * 100) / 100

function toAveragesView([five, fifteen, thirty]: RateAverages): z.output<typeof averagesView> {
  return { last5s: roundRate(five), last15s: roundRate(fifteen), last30s: roundRate(thirty) }
}

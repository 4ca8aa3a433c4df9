/**
 * queue - shows the delivery queue: lanes with state, reason, next sending time, rates and evidence, and throughput series for charts
 *
 * An account sees its own lanes; the operator sees all lanes, or those of one account. Any node answers from the snapshot that the delivering
 * node keeps in the store.
 *
 * See also: service/deliver/queue-api, http/api/queue-commands, docs/QUEUE.md.
 */
import { z } from 'zod'
import { LANE_STATES, type RateAverages } from '../../queue/observe/lane-view.ts'
import { evidenceFor } from '../../queue/observe/transition-facts.ts'
import type { LaneSnapshotRow } from '../../store/queue/lane-snapshots.ts'
import type { QueueApi } from '../../service/deliver/queue-api.ts'
import type { AccountService } from '../services/accounts.ts'
import type { Authorizer } from '../server/authorize.ts'
import { CURSOR_SCHEMAS, decodeCursor, nextCursor } from '../server/cursor.ts'
import { toIsoTimestamp } from '../server/fact-view.ts'
import type { HttpServer } from '../server/http-server.ts'
import { domainName, operatorQuery, strictObject } from '../server/schemas.ts'

type QueueRouteDependencies = {
  readonly queue: Pick<QueueApi, 'deliveryStatus' | 'listLanes' | 'listThroughput'>
  readonly accounts: Pick<AccountService, 'listNames'>
  readonly authorizer: Authorizer
}

const averagesView = z.object({ last5s: z.number(), last15s: z.number(), last30s: z.number() })

const laneView = z.object({
  account: z.string().nullable().describe('The account of the lane, if the operator lists all accounts'),
  domain: z.string().describe('The recipient domain'),
  state: z.enum(LANE_STATES).describe('manual: paused by a person; limited: slowed by a configured rate limit or by a warm-up'),
  stopped: z.boolean(),
  reason: z
    .string()
    .nullable()
    .describe('IP reputation, Domain limitation, IP connection frequency, Server unreachable, Egress unavailable, List quality, …'),
  key: z.string().nullable().describe('The backoff key that holds the lane; if there are several, the one that ends last'),
  class: z.string().nullable().describe('The backoff class of the replies that caused it'),
  n: z.int().describe('The number of consecutive pauses'),
  nextSendingAt: z.string().nullable().describe('Null if the lane is sending, or if only a reply or the operator can release it'),
  waiting: z.int(),
  inFlight: z.int(),
  perMinute: z.number().nullable().describe('The rate limit that was set for the lane'),
  perMinuteInForce: z
    .number()
    .nullable()
    .describe('The rate in force, from backoffs, learnt rates and perMinute; 0 while the lane is stopped, null for no limit'),
  pausedLabels: z
    .array(z.object({ label: z.int(), key: z.string(), until: z.string(), waiting: z.int() }))
    .describe('The labels that a person paused: their mails wait, others leave'),
  rates: z
    .object({ in: averagesView, tryOut: averagesView, out: averagesView })
    .describe('Messages per second: accepted, attempted, delivered'),
  evidence: z
    .array(z.object({ at: z.string(), code: z.int().nullable(), text: z.string().nullable() }))
    .describe('The replies that caused the backoff; the text is left out for messages of other accounts'),
  seenAt: z.string().describe('When the delivering node last recorded a change'),
})

const listResponse = z.object({
  delivering: z.boolean().describe('False if no node has processed the queue recently; the data is from the last time'),
  seenAt: z.string().nullable().describe('When a node last processed the queue; null if no node ever has (delivery.mode)'),
  lanes: z.array(laneView),
  next: z.string().nullable(),
})

const listQuery = strictObject({
  ...operatorQuery,
  domain: domainName.optional(),
  after: z.string().max(400).optional().describe('`next` of the previous page'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

const seriesQuery = strictObject({
  ...operatorQuery,
  domain: domainName.optional(),
  step: z.enum(['5s', '1m']).default('5s').describe('5s covers the last hour, 1m the last day'),
})

const seriesResponse = z.object({
  step: z.enum(['5s', '1m']),
  delivering: z.boolean(),
  seenAt: z.string().nullable(),
  steps: z
    .array(z.object({ at: z.string(), in: z.int(), tryOut: z.int(), out: z.int() }))
    .describe('Messages per step, oldest first; steps without messages are left out'),
})

const tags = ['queue']

export function addQueueRoutes(server: HttpServer, { queue, accounts, authorizer }: QueueRouteDependencies): void {
  const list = { summary: 'List the lanes of the delivery queue', tags, querystring: listQuery, response: { 200: listResponse } }
  server.get('/v1/queue', { schema: list }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    const { domain = null, after, limit } = request.query
    const account = caller?.account ?? null
    const query = { account, domain, after: decodeCursor(after ?? null, CURSOR_SCHEMAS.lane), limit }
    const [{ delivering, seenAt }, rows] = await Promise.all([queue.deliveryStatus(), queue.listLanes(query)])
    const accountNames = account === null ? await accounts.listNames() : null
    const lanes = rows.map((row) =>
      toLaneView(row, { account: caller === null || caller.isOperator === true ? 0 : caller.account, accountNames }),
    )
    const next = nextCursor(rows, limit, (row) => ({ account: row.account, domain: row.domain }))
    return { delivering, seenAt: toIsoTimestamp(seenAt), lanes, next }
  })
  const series = { summary: 'Read the throughput over time', tags, querystring: seriesQuery, response: { 200: seriesResponse } }
  server.get('/v1/queue/series', { schema: series }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    const { domain = null, step } = request.query
    const query = { account: caller?.account ?? null, domain, width: step === '5s' ? 'fives' : 'minutes' } as const
    const [{ delivering, seenAt }, steps] = await Promise.all([queue.deliveryStatus(), queue.listThroughput(query)])
    const stepViews = steps.map(({ at, ins, tries, outs }) => ({ at: toIsoTimestamp(at), in: ins, tryOut: tries, out: outs }))
    return { step, delivering, seenAt: toIsoTimestamp(seenAt), steps: stepViews }
  })
}

type LaneViewer = { readonly account: number; readonly accountNames: ReadonlyMap<number, string> | null }

function toLaneView(
  { account, domain, status, savedAt }: LaneSnapshotRow,
  { account: viewerAccount, accountNames }: LaneViewer,
): z.output<typeof laneView> {
  const {
    state,
    isStopped,
    reason,
    key,
    class: name,
    n,
    nextSendingAt,
    waiting,
    inFlight,
    perMinute,
    perMinuteInForce,
    rates,
    evidence,
    pausedLabels = [],
  } = status
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
    perMinuteInForce: perMinuteInForce === undefined || perMinuteInForce === null ? null : roundRate(perMinuteInForce),
    pausedLabels: pausedLabels.map((each) => ({ ...each, until: toIsoTimestamp(each.until) })),
    rates: { in: toAveragesView(rates.in), tryOut: toAveragesView(rates.try), out: toAveragesView(rates.out) },
    evidence: evidenceFor(viewerAccount, evidence).map(({ at, code, text }) => ({ at: toIsoTimestamp(at), code, text })),
    seenAt: toIsoTimestamp(savedAt),
  }
}

/** Two decimals are enough for a display. */
const roundRate = (rate: number): number => Math.round(rate * 100) / 100

function toAveragesView([five, fifteen, thirty]: RateAverages): z.output<typeof averagesView> {
  return { last5s: roundRate(five), last15s: roundRate(fifteen), last30s: roundRate(thirty) }
}

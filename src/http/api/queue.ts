/**
 * queue - how the delivery queue stands: its lanes with state, reason, next sending time, rates and evidence, and series for charts
 *
 * An account sees its own lanes; the operator all, or those of the account that he names. Any node answers, from the picture that the
 * delivering node keeps in the store.
 *
 * See also: service/deliver/queue-api, http/api/queue-commands (what may be done), docs/QUEUE.md.
 */
import { z } from 'zod'
import type { Averages } from '../../queue/observe/lane-view.ts'
import { evidenceFor } from '../../queue/observe/transition-facts.ts'
import type { LaneRow } from '../../store/queue/lane-snapshots.ts'
import { CURSORS, readWord, wordOf } from '../server/cursor.ts'
import type { Desk } from '../services.ts'
import { isoOf } from '../server/fact-view.ts'
import type { Guard } from '../server/authorize.ts'
import type { Web } from '../server/server.ts'
import { domainName, operatorQuery, strict } from '../server/schemas.ts'

const STATES = ['active', 'throttled', 'paused', 'probing', 'recovering', 'manual', 'limited'] as const

const averages = z.object({ last5s: z.number(), last15s: z.number(), last30s: z.number() })

const lane = z.object({
  account: z.string().nullable().describe('Whose it is, where the operator asks for everybody’s'),
  domain: z.string().describe('The receiving domain'),
  state: z.enum(STATES).describe('manual: paused by hand; limited: a rate or a warm-up of our own holds it'),
  stopped: z.boolean(),
  reason: z.string().nullable().describe('IP reputation, Domain limitation, IP connection frequency, Server unreachable, List quality, …'),
  key: z.string().nullable().describe('What holds it; of several the one that opens last'),
  class: z.string().nullable().describe('The class of answers that closed it'),
  n: z.int().describe('How many pauses in a row'),
  nextSendingAt: z.string().nullable().describe('Null where it sends, or where only an answer or an operator lets it'),
  waiting: z.int(),
  inFlight: z.int(),
  perMinute: z.number().nullable().describe('The rate that was set for it'),
  rates: z.object({ in: averages, tryOut: averages, out: averages }).describe('Mails a second: taken in, tried, gone out'),
  evidence: z
    .array(z.object({ at: z.string(), code: z.int().nullable(), text: z.string().nullable() }))
    .describe('Answers that closed the key; those to another account’s mail without their words'),
  seenAt: z.string().describe('When the delivering node last saw it change'),
})

const listAnswer = z.object({
  delivering: z.boolean().describe('False: no node has looked at the queue for a while, and this is how it stood then'),
  seenAt: z.string().nullable().describe('When a delivering node last looked; null: none ever has (delivery.mode)'),
  lanes: z.array(lane),
  next: z.string().nullable(),
})

const listQuery = strict({
  ...operatorQuery,
  domain: domainName.optional(),
  after: z.string().max(400).optional().describe('`next` of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

const seriesQuery = strict({
  ...operatorQuery,
  domain: domainName.optional(),
  step: z.enum(['5s', '1m']).default('5s').describe('5s: the last hour; 1m: the last day'),
})

const seriesAnswer = z.object({
  step: z.enum(['5s', '1m']),
  delivering: z.boolean(),
  seenAt: z.string().nullable(),
  steps: z
    .array(z.object({ at: z.string(), in: z.int(), tryOut: z.int(), out: z.int() }))
    .describe('Mails in each step, oldest first; quiet steps are left out'),
})

export type QueueRoutes = { readonly desk: Desk; readonly guard: Guard }

const tags = ['queue']

export function addQueue(server: Web, { desk, guard }: QueueRoutes): void {
  const list = { summary: 'Lanes of the delivery queue', tags, querystring: listQuery, response: { 200: listAnswer } }
  server.get('/v1/queue', { schema: list }, async (request) => {
    const asker = await guard.anyone(request)
    const { domain = null, after, limit } = request.query
    const account = asker?.account ?? null
    const query = { account, domain, after: readWord(after ?? null, CURSORS.lane), limit }
    const [{ delivering, seenAt }, rows] = await Promise.all([desk.queue.delivery(), desk.queue.lanes(query)])
    const names = account === null ? await desk.accountNames() : null
    const lanes = rows.map((row) => viewLane(row, { reader: asker === null || asker.byOperator === true ? 0 : asker.account, names }))
    const last = rows.at(-1)
    return {
      delivering,
      seenAt: isoOf(seenAt),
      lanes,
      next: last === undefined || rows.length < limit ? null : wordOf({ account: last.account, domain: last.domain }),
    }
  })
  const series = { summary: 'Rates over time, for charts', tags, querystring: seriesQuery, response: { 200: seriesAnswer } }
  server.get('/v1/queue/series', { schema: series }, async (request) => {
    const asker = await guard.anyone(request)
    const { domain = null, step } = request.query
    const query = { account: asker?.account ?? null, domain, width: step === '5s' ? 'fives' : 'minutes' } as const
    const [{ delivering, seenAt }, steps] = await Promise.all([desk.queue.delivery(), desk.queue.series(query)])
    const view = steps.map(({ at, ins, tries, outs }) => ({ at: isoOf(at), in: ins, tryOut: tries, out: outs }))
    return { step, delivering, seenAt: isoOf(seenAt), steps: view }
  })
}

type Seeing = { readonly reader: number; readonly names: ReadonlyMap<number, string> | null }

function viewLane({ account, domain, status, savedAt }: LaneRow, { reader, names }: Seeing): z.output<typeof lane> {
  const { state, isStopped, reason, key, class: name, n, nextSendingAt, waiting, inFlight, perMinute, rates, evidence } = status
  return {
    account: names?.get(account) ?? null,
    domain,
    state,
    stopped: isStopped,
    reason,
    key,
    class: name,
    n,
    nextSendingAt: isoOf(nextSendingAt),
    waiting,
    inFlight,
    perMinute,
    rates: { in: viewAverages(rates.in), tryOut: viewAverages(rates.try), out: viewAverages(rates.out) },
    evidence: evidenceFor(reader, evidence).map(({ at, code, text }) => ({ at: isoOf(at), code, text })),
    seenAt: isoOf(savedAt),
  }
}

/** More digits than these say nothing. */
const round = (rate: number): number => Math.round(rate * 100) / 100

function viewAverages([five, fifteen, thirty]: Averages): z.output<typeof averages> {
  return { last5s: round(five), last15s: round(fifteen), last30s: round(thirty) }
}

/**
 * statistics - counts over hours or days with the period before, and the receiving sites and accounts behind them
 *
 * A message counts for the time of its request. The operator names an account, or none for all of them.
 *
 * See also: http/services/overview, ledger/project/counters (defines the counts), http/sendcloud/statistics (the SendCloud API).
 */
import { z } from 'zod'
import { Fault } from '../../../errors.ts'
import type { CountWindow, OverviewService } from '../../services/overview.ts'
import { addDays, formatDay, splitIntoDays, toDayRange } from '../../sendcloud/zoned-time.ts'
import type { Authorizer } from '../../server/authorize.ts'
import { toIsoTimestamp } from '../../server/fact-view.ts'
import type { HttpServer } from '../../server/http-server.ts'
import { operatorQuery, strictObject } from '../../server/schemas.ts'

type StatisticsRouteDependencies = {
  readonly overview: Pick<OverviewService, 'sumWindows' | 'sumGroups'>
  readonly authorizer: Authorizer
  readonly now: () => number
}

const countsView = z.object({
  request: z.int().describe('Messages that were registered or submitted'),
  delivered: z.int(),
  invalid: z.int(),
  softBounce: z.int(),
  complaint: z.int(),
  unsubscribe: z.int(),
  open: z.int(),
  click: z.int(),
  uniqueOpen: z.int().describe('Messages with an open that counts: a person’s, unless `machineEngagement` is `count`'),
  uniqueClick: z.int(),
  machineOpen: z.int().describe('Opens by image proxies, scanners and prefetching; `open` includes them'),
  machineClick: z.int(),
})

type CountsView = z.output<typeof countsView>

/** Name in the response → metric. */
const METRICS = {
  request: 'request',
  delivered: 'delivered',
  invalid: 'invalid',
  softBounce: 'soft-bounce',
  complaint: 'complaint',
  unsubscribe: 'unsubscribe',
  open: 'open',
  click: 'click',
  uniqueOpen: 'unique-open',
  uniqueClick: 'unique-click',
  machineOpen: 'machine-open',
  machineClick: 'machine-click',
} as const satisfies Record<keyof CountsView, string>

const MAX_STEPS = 400
const [QUARTER_MS, HOUR_MS] = [900_000, 3_600_000]

const zoneSchema = z
  .string()
  .max(64)
  .refine((zone) => isZone(zone), 'must be an IANA time zone')

const periodQuery = {
  ...operatorQuery,
  step: z.enum(['hour', 'day']).default('hour'),
  steps: z.coerce.number().int().min(1).max(MAX_STEPS).default(24).describe('The number of hours or days, the present one included'),
  zone: zoneSchema.default('UTC').describe('The IANA time zone in which a day begins'),
}

const statisticsView = z.object({
  step: z.enum(['hour', 'day']),
  steps: z.array(z.object({ at: z.string().describe('When the hour or the day begins'), counts: countsView })),
  total: countsView,
  before: countsView.describe('The period of the same length before'),
  subStatuses: z.array(z.object({ subStatus: z.int(), n: z.int() })).describe('Invalid addresses by sub status, the most frequent first'),
})

const groupsView = z.object({
  by: z.enum(['site', 'account']),
  groups: z.array(z.object({ name: z.string(), counts: countsView })).describe('The most messages first'),
  others: countsView.describe('What is beyond the limit, summed'),
})

const tags = ['statistics']

/** The second is short for the first. */
const PATHS = ['/v1/statistics', '/v1/stats'] as const

export function addStatisticsRoutes(server: HttpServer, { overview, authorizer, now }: StatisticsRouteDependencies): void {
  const schema = {
    summary: 'Read counts over hours or days, and the period before',
    tags,
    querystring: strictObject(periodQuery),
    response: { 200: statisticsView },
  }
  for (const path of PATHS)
    server.get(path, { schema: { ...schema, hide: path !== PATHS[0] } }, async (request) => {
      const caller = await authorizer.requireAccountOrOperator(request)
      const { step } = request.query
      const windows = windowsOf(request.query, now())
      const [first, last] = [windows[0]?.from ?? 0, windows.at(-1)?.to ?? 0]
      const sums = await overview.sumWindows(caller?.account ?? null, [{ from: first - (last - first), to: first }, ...windows])
      const [before = new Map<string, number>(), ...rest] = sums
      const total = sumOf(rest)
      return {
        step,
        steps: rest.map((counts, at) => ({ at: toIsoTimestamp(windows[at]?.from ?? 0), counts: toCountsView(counts) })),
        total: toCountsView(total),
        before: toCountsView(before),
        subStatuses: toSubStatuses(total),
      }
    })
  addGroupRoute(server, { overview, authorizer, now })
}

function addGroupRoute(server: HttpServer, { overview, authorizer, now }: StatisticsRouteDependencies): void {
  const querystring = strictObject({
    ...periodQuery,
    by: z.enum(['site', 'account']).default('site').describe('site: the domain of the recipient'),
    limit: z.coerce.number().int().min(1).max(1_000).default(20),
  })
  const schema = { summary: 'Read counts by receiving site or by account', tags, querystring, response: { 200: groupsView } }
  server.get('/v1/statistics/groups', { schema }, async (request) => {
    const caller = await authorizer.requireAccountOrOperator(request)
    const { by, limit } = request.query
    if (by === 'account' && caller !== null) throw new Fault('bad_request', 'by: accounts are compared without ?account=')
    const windows = windowsOf(request.query, now())
    const window = { from: windows[0]?.from ?? 0, to: windows.at(-1)?.to ?? 0 }
    const found = await overview.sumGroups(caller?.account ?? null, window, by === 'site' ? 'domain' : 'account')
    const sorted = [...found].toSorted(([, a], [, b]) => (b.get('request') ?? 0) - (a.get('request') ?? 0))
    return {
      by,
      groups: sorted.slice(0, limit).map(([name, counts]) => ({ name, counts: toCountsView(counts) })),
      others: toCountsView(sumOf(sorted.slice(limit).map(([, counts]) => counts))),
    }
  })
}

function isZone(zone: string): boolean {
  try {
    return Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

type Period = { readonly step: 'hour' | 'day'; readonly steps: number; readonly zone: string }

/** The hours or days up to the present one, which ends in the future. */
function windowsOf({ step, steps, zone }: Period, now: number): readonly CountWindow[] {
  if (step === 'hour') {
    const end = (Math.floor(now / HOUR_MS) + 1) * HOUR_MS
    return Array.from({ length: steps }, (_, at) => ({ from: end - (steps - at) * HOUR_MS, to: end - (steps - at - 1) * HOUR_MS }))
  }
  const today = formatDay(now, zone)
  const days = splitIntoDays(toDayRange(addDays(today, 1 - steps), today, zone), zone)
  // Counters have quarter-hours; a zone of history may have had other offsets.
  const toQuarter = (at: number): number => Math.floor(at / QUARTER_MS) * QUARTER_MS
  return days.map(({ from, until }) => ({ from: toQuarter(from), to: toQuarter(until) }))
}

function toCountsView(counts: ReadonlyMap<string, number>): CountsView {
  const entries = Object.entries(METRICS).map(([name, metric]) => [name, counts.get(metric) ?? 0])
  // Checked cast: the keys of a table over the same names.
  return Object.fromEntries(entries) as CountsView
}

function sumOf(all: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const total = new Map<string, number>()
  for (const counts of all) for (const [metric, n] of counts) total.set(metric, (total.get(metric) ?? 0) + n)
  return total
}

function toSubStatuses(total: ReadonlyMap<string, number>): z.output<typeof statisticsView>['subStatuses'] {
  const rows = [...total].flatMap(([metric, n]) => {
    const subStatus = /^invalid-(\d+)$/.exec(metric)?.[1]
    return subStatus === undefined || n === 0 ? [] : [{ subStatus: Number(subStatus), n }]
  })
  return rows.toSorted((a, b) => b.n - a.n)
}

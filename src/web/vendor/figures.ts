/**
 * figures - counters added up into the rows that the vendor's statistics are made of
 *
 * Read a day at a time, each its own short question, out of counters alone: what a day of a million mails costs is the number of its
 * quarter-hours, users, labels and domains. A row is what a day (or an hour) had of one API user, label and domain.
 *
 * See also: store/counters, web/vendor/statistics (the operations), web/vendor/time (days and hours of a zone).
 */
import type { Metric } from '../../ledger/world.ts'
import type { CounterSum } from '../../store/counters.ts'
import type { Call } from './call.ts'
import { daysOf, hoursOf } from './time.ts'
import type { Day, Hour, Span } from './time.ts'

/** What rows are apart by besides their time. */
export type Dimension = 'apiUser' | 'labelId' | 'domain'

export type FigureWish = {
  readonly span: Span
  readonly metrics: readonly Metric[]
  readonly by: readonly Dimension[]
  readonly hourly: boolean
  readonly apiUsers: readonly string[] | null
  readonly labelIds: readonly number[] | null
  readonly domains: readonly string[] | null
}

export type Figure = {
  readonly day: string
  /** Null in a row of a whole day. */
  readonly hour: number | null
  readonly apiUser: string
  readonly labelId: number
  readonly domain: string
  readonly counts: ReadonlyMap<string, number>
}

/** An answer of more rows would take memory that others need: a shorter span, or fewer domains, has them all. */
export const MAX_ROWS = 100_000

/** The rows, by time and then by what they are apart by; null: there are too many. Rows of nothing are left out. */
export async function readFigures(call: Call, wish: FigureWish): Promise<readonly Figure[] | null> {
  const { zone } = call.settings
  const figures: Figure[] = []
  for (const day of daysOf(wish.span, zone)) {
    const slices: readonly Slice[] = wish.hourly ? hoursOf(day, zone) : [day]
    figures.push(...(await readDay(call, wish, day, slices)))
    if (figures.length > MAX_ROWS) return null
  }
  return figures
}

type Slice = Span & Partial<Pick<Hour, 'hour'>>

async function readDay(call: Call, wish: FigureWish, day: Day, slices: readonly Slice[]): Promise<readonly Figure[]> {
  const sums = await call.desk.statistics.counters(call.by.account, {
    windows: slices.map(({ from, until }) => ({ from, to: until })),
    by: wish.by,
    metrics: wish.metrics,
    ...(wish.apiUsers === null ? {} : { apiUsers: wish.apiUsers }),
    ...(wish.labelIds === null ? {} : { labelIds: wish.labelIds }),
    ...(wish.domains === null ? {} : { domains: wish.domains }),
  })
  const hours = new Map(slices.map(({ from, hour }) => [from, hour ?? null]))
  const rows = Map.groupBy(sums, ({ from, apiUser, labelId, domain }) => JSON.stringify([from, apiUser, labelId, domain]))
  return [...rows.values()].flatMap((group) => figureOf(day.day, hours, group)).toSorted(inOrder)
}

function figureOf(day: string, hours: ReadonlyMap<number, number | null>, group: readonly CounterSum[]): readonly Figure[] {
  const [first] = group
  const counts = new Map(group.map(({ metric, n }) => [metric, n]))
  if (first === undefined || [...counts.values()].every((n) => n === 0)) return []
  const { from, apiUser, labelId, domain } = first
  return [{ day, hour: hours.get(from) ?? null, apiUser: apiUser ?? '', labelId: labelId ?? 0, domain: domain ?? '', counts }]
}

function inOrder(a: Figure, b: Figure): number {
  const named = (x: string, y: string): number => (x === y ? 0 : x < y ? -1 : 1)
  return (a.hour ?? 0) - (b.hour ?? 0) || named(a.apiUser, b.apiUser) || a.labelId - b.labelId || named(a.domain, b.domain)
}

/** All rows as one. */
export function addUp(figures: readonly Figure[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const figure of figures) for (const [metric, n] of figure.counts) counts.set(metric, (counts.get(metric) ?? 0) + n)
  return counts
}

/**
 * statistics-rows - counters added up into the rows that the vendor's statistics are made of
 *
 * Read some hours at a time, each its own short question, out of counters alone: what a day of a million mails costs is the number of its
 * quarter-hours, users, labels and domains. A row is what a day (or an hour) had of one API user, label and domain.
 *
 * See also: store/facts/counters, http/sendcloud/statistics (the operations), http/sendcloud/zoned-time (days and hours of a zone).
 */
import type { Metric } from '../../ledger/project/state.ts'
import type { CounterSum } from '../../store/facts/counters.ts'
import type { Call } from './operation.ts'
import { daysOf, hoursOf } from './zoned-time.ts'
import type { Day, Span } from './zoned-time.ts'

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

/** What reading takes of a call. */
export type FigureCall = { readonly by: Call['by']; readonly settings: Call['settings']; readonly desk: Pick<Call['desk'], 'statistics'> }

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
const MAX_ROWS = 100_000

/** The rows, by time and then by what they are apart by; null: there are too many. Rows of nothing are left out. */
export async function readFigures(call: FigureCall, wish: FigureWish): Promise<readonly Figure[] | null> {
  const figures: Figure[] = []
  for (const day of daysOf(wish.span, call.settings.zone)) {
    figures.push(...(await readDay(call, wish, day)))
    if (figures.length > MAX_ROWS) return null
  }
  return figures
}

/** Part of a day; `hour` is null where hours are not kept apart. */
type Piece = Span & { readonly hour: number | null }

/** So much of a day is one question: a day of thousands of domains has millions of counters, and other readers wait for each question. */
const HOURS_AT_ONCE = 3
const HOUR_MS = 3_600_000

function piecesOf(day: Span, wish: FigureWish, zone: string): readonly Piece[] {
  if (wish.hourly) return hoursOf(day, zone)
  const pieces: Piece[] = []
  for (let from = day.from; from < day.until; from += HOURS_AT_ONCE * HOUR_MS)
    pieces.push({ from, until: Math.min(from + HOURS_AT_ONCE * HOUR_MS, day.until), hour: null })
  return pieces
}

async function readDay(call: FigureCall, wish: FigureWish, day: Day): Promise<readonly Figure[]> {
  const pieces = piecesOf(day, wish, call.settings.zone)
  const step = wish.hourly ? HOURS_AT_ONCE : 1
  const rows = new Map<string, Figure & { readonly counts: Map<string, number> }>()
  for (let at = 0; at < pieces.length; at += step) {
    const asked = pieces.slice(at, at + step)
    const hours = new Map(asked.map(({ from, hour }) => [from, hour]))
    for (const sum of await readPieces(call, wish, asked)) {
      const hour = hours.get(sum.from) ?? null
      const key = `${hour} ${sum.labelId} ${sum.domain} ${sum.apiUser}`
      const row = rows.get(key) ?? blankRow(day.day, hour, sum)
      row.counts.set(sum.metric, (row.counts.get(sum.metric) ?? 0) + sum.n)
      rows.set(key, row)
    }
  }
  return [...rows.values()].filter(({ counts }) => [...counts.values()].some((n) => n !== 0)).toSorted(inOrder)
}

function readPieces(call: FigureCall, wish: FigureWish, pieces: readonly Piece[]): Promise<readonly CounterSum[]> {
  return call.desk.statistics.counters(call.by.account, {
    windows: pieces.map(({ from, until }) => ({ from, to: until })),
    by: wish.by,
    metrics: wish.metrics,
    ...(wish.apiUsers === null ? {} : { apiUsers: wish.apiUsers }),
    ...(wish.labelIds === null ? {} : { labelIds: wish.labelIds }),
    ...(wish.domains === null ? {} : { domains: wish.domains }),
  })
}

function blankRow(
  day: string,
  hour: number | null,
  { apiUser, labelId, domain }: CounterSum,
): Figure & { readonly counts: Map<string, number> } {
  return { day, hour, apiUser: apiUser ?? '', labelId: labelId ?? 0, domain: domain ?? '', counts: new Map() }
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

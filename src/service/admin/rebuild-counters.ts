/**
 * rebuild-counters - what the deliveries of one time window count for, compared with the stored counters
 *
 * Deliveries and counters are read in one snapshot. What is missing is added as a delta, like the change of any other transaction: so a
 * repair is right beside writers that add to the same counters.
 *
 * See also: service/admin/rebuild, ledger/project/counters, store/engine/counter-slots.
 */
import { countersOf, siteCountersOf } from '../../ledger/project/counters.ts'
import { type CounterRow, type DeliveryRow, QUARTER_HOUR_MS, quarterHourOf, type SiteCounterRow } from '../../ledger/project/state.ts'
import type { Database, DatabaseReader } from '../../store/engine/engine.ts'
import {
  type CounterScope,
  findNextCountedMomentForOperator,
  hasMoreDeliveriesForOperator,
  pageDeliveriesForOperator,
  sumStoredCounters,
  sumStoredSiteCountersForOperator,
  type TimeWindow,
} from '../../store/facts/rebuild-counters.ts'
import { COUNTERS, SITE_COUNTERS } from '../../store/schema.ts'

const DAY_MS = 86_400_000

/** Deliveries of one window, unless a single quarter-hour has more. Some 0.2 s of work. */
const WINDOW_DELIVERIES = 10_000
const PAGE_SIZE = 2_000

/** The next window at or after a moment that has anything to compare. Null: there is none. */
export async function nextCounterWindow(reader: DatabaseReader, scope: CounterScope, after: number): Promise<TimeWindow | null> {
  const moment = await findNextCountedMomentForOperator(reader, scope, after)
  if (moment === null) return null
  const from = quarterHourOf(moment)
  for (let length = DAY_MS; ; length = Math.max(QUARTER_HOUR_MS, Math.floor(length / 4 / QUARTER_HOUR_MS) * QUARTER_HOUR_MS)) {
    const window = { from, to: from + length }
    if (length === QUARTER_HOUR_MS || !(await hasMoreDeliveriesForOperator(reader, scope, window, WINDOW_DELIVERIES))) return window
  }
}

/** Compares the counters of one window. Unless `check`, adds what is missing. Returns the differences, one line each. */
export async function rebuildCounters(db: Database, scope: CounterScope, window: TimeWindow, check: boolean): Promise<readonly string[]> {
  const { account } = scope
  return account === null ? rebuildSiteCounters(db, scope, window, check) : rebuildAccountCounters(db, { account }, window, check)
}

async function rebuildAccountCounters(
  db: Database,
  scope: { readonly account: number },
  window: TimeWindow,
  check: boolean,
): Promise<readonly string[]> {
  const rebuilt = await sumOverDeliveries(db, scope, window, { countersOf, nameOf: counterName })
  const stored = sumByName(await sumStoredCounters(db, scope.account, window), counterName)
  const different = differencesOf(rebuilt, stored)
  const slot = db.counterSlot
  if (!check)
    await db.upsertMany(
      COUNTERS,
      different.map(({ row, missing }) => ({ ...row, slot, n: missing })),
      { addColumns: ['n'] },
    )
  return different.map((each) => describeDifference(COUNTERS.table.name, each))
}

async function rebuildSiteCounters(db: Database, scope: CounterScope, window: TimeWindow, check: boolean): Promise<readonly string[]> {
  const rebuilt = await sumOverDeliveries(db, scope, window, { countersOf: siteCountersOf, nameOf: siteCounterName })
  const stored = sumByName(await sumStoredSiteCountersForOperator(db, window), siteCounterName)
  const different = differencesOf(rebuilt, stored)
  const slot = db.counterSlot
  if (!check)
    await db.upsertMany(
      SITE_COUNTERS,
      different.map(({ row, missing }) => ({ ...row, slot, n: missing })),
      { addColumns: ['n'] },
    )
  return different.map((each) => describeDifference(SITE_COUNTERS.table.name, each))
}

const counterName = (row: CounterRow): string => [row.account, row.quarter, row.apiUser, row.labelId, row.domain, row.metric].join('/')
const siteCounterName = (row: SiteCounterRow): string => [row.site, row.quarter, row.metric].join('/')

type Counted<Row> = { readonly countersOf: (row: DeliveryRow) => readonly Row[]; readonly nameOf: (row: Row) => string }

async function sumOverDeliveries<Row extends { readonly n: number }>(
  db: Database,
  scope: CounterScope,
  window: TimeWindow,
  counted: Counted<Row>,
): Promise<ReadonlyMap<string, Row>> {
  const sums = new Map<string, Row>()
  for await (const page of pageDeliveriesForOperator(db, scope, window, PAGE_SIZE))
    addByName(sums, page.flatMap(counted.countersOf), counted.nameOf)
  return sums
}

const sumByName = <Row extends { readonly n: number }>(rows: readonly Row[], nameOf: (row: Row) => string): ReadonlyMap<string, Row> =>
  addByName(new Map(), rows, nameOf)

function addByName<Row extends { readonly n: number }>(
  sums: Map<string, Row>,
  rows: readonly Row[],
  nameOf: (row: Row) => string,
): Map<string, Row> {
  for (const row of rows) sums.set(nameOf(row), { ...row, n: row.n + (sums.get(nameOf(row))?.n ?? 0) })
  return sums
}

/** `missing` is what the stored sum lacks; negative if it is too high. */
type CounterDifference<Row> = { readonly name: string; readonly row: Row; readonly stored: number; readonly missing: number }

/** Sorted by name, which is the order in which the store locks. */
function differencesOf<Row extends { readonly n: number }>(
  rebuilt: ReadonlyMap<string, Row>,
  stored: ReadonlyMap<string, Row>,
): readonly CounterDifference<Row>[] {
  return [...new Map([...stored, ...rebuilt])]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, row]) => {
      const [has, want] = [stored.get(name)?.n ?? 0, rebuilt.get(name)?.n ?? 0]
      return has === want ? [] : [{ name, row, stored: has, missing: want - has }]
    })
}

const describeDifference = (table: string, { name, stored, missing }: CounterDifference<unknown>): string =>
  `${table} ${name}: stored ${stored}, rebuilt ${stored + missing}`

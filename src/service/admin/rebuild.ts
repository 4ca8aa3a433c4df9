/**
 * rebuild - the projections once more from the facts: to replace them, or to hold them against what is stored
 *
 * Everything happens in one transaction, so that intake sees all of it or nothing. The facts come in pages of whole deliveries, entries
 * and mails; nobody is told. Counters of closed months are left alone: the facts behind them are retired (service/admin/retire).
 *
 * See also: ledger/project/fold, store/facts/rebuild.
 */
import { applyFacts } from '../../ledger/project/fold.ts'
import { emptyWorld, type CounterRow, type SiteRow, type World } from '../../ledger/project/state.ts'
import type { Db } from '../../store/engine/engine.ts'
import {
  clearProjectionsForOperator,
  countFactsForOperator,
  FACT_TABLES,
  FIRST_SUBJECT,
  pageFactsForOperator,
  pageRowsForOperator,
  PROJECTIONS,
} from '../../store/facts/rebuild.ts'
import {
  COUNTERS,
  DELIVERIES,
  INBOX,
  SITE_COUNTERS,
  SITE_STATES,
  SUPPRESSIONS,
  type StoredCounter,
  type StoredSiteCounter,
} from '../../store/schema.ts'
import { retiredBeforeForOperator } from '../../store/facts/retention.ts'
import type { Shape } from '../../store/engine/mapping.ts'
import { cleanValue } from '../../store/engine/value.ts'
import { saveWorld } from '../../store/facts/ledger-state.ts'
import type { Shop } from '../context.ts'

export type RebuildOptions = {
  /** Compare only, and write nothing. */
  readonly check: boolean
  readonly onProgress: (facts: number, total: number) => void
}

export type Rebuilt = {
  readonly facts: number
  /** What stands otherwise in the store, one line each; at most `SHOWN` of them. */
  readonly differences: readonly string[]
  readonly differing: number
}

/** Facts one page holds, rows one comparison reads. */
const PAGE = 2_000
const SHOWN = 50

/** Makes or checks the projections. Faults: store_busy. */
export async function rebuild(shop: Shop, options: RebuildOptions): Promise<Rebuilt> {
  return shop.engine.tx(
    async (db) => {
      const total = await countFactsForOperator(db)
      const sums = emptySums(await retiredBeforeForOperator(db))
      const seen = { facts: 0 }
      const differences: string[] = []
      if (!options.check) await clearProjectionsForOperator(db, keysOf(PROJECTIONS), sums.keptFrom)
      for await (const world of worldsOf(db, (count) => options.onProgress((seen.facts += count), total))) {
        addUp(sums, world)
        if (options.check) differences.push(...(await compareRows(db, world, sums)))
        else await saveProjections(db, world)
      }
      if (options.check) differences.push(...(await compareTotals(db, sums)))
      else await saveCounters(db, sums)
      return { facts: seen.facts, differences: differences.slice(0, SHOWN), differing: differences.length }
    },
    { lock: 'rebuild' },
  )
}

/** `Object.keys` with the keys' own type, which TypeScript does not give. */
const keysOf = <T extends object>(of: T): readonly (keyof T)[] => Object.keys(of) as (keyof T)[]

async function* worldsOf(db: Db, onPage: (facts: number) => void): AsyncGenerator<World> {
  for (const table of keysOf(FACT_TABLES)) {
    let after: typeof FIRST_SUBJECT | null = FIRST_SUBJECT
    while (after !== null) {
      const page = await pageFactsForOperator(db, table, after, PAGE)
      const world = emptyWorld({ keepsFacts: true })
      applyFacts(world, page.facts)
      onPage(page.facts.length)
      if (page.facts.length > 0) yield world
      after = page.next
    }
  }
}

/** Deltas and row counts of all worlds together; of counters, those from `keptFrom` on. */
type Sums = {
  readonly keptFrom: number
  readonly counters: Map<string, CounterRow>
  readonly sites: Map<string, SiteRow>
  readonly rows: Map<string, number>
}
const emptySums = (keptFrom: number): Sums => ({ keptFrom, counters: new Map(), sites: new Map(), rows: new Map() })

function addUp(sums: Sums, { dirty }: World): void {
  addDeltas(sums.counters, dirty.counters, sums.keptFrom)
  addDeltas(sums.sites, dirty.siteCounters, sums.keptFrom)
}

function addDeltas<Row extends { readonly n: number; readonly quarter: number }>(
  into: Map<string, Row>,
  from: ReadonlyMap<string, Row>,
  keptFrom: number,
): void {
  for (const [key, row] of from) if (row.quarter >= keptFrom) into.set(key, { ...row, n: row.n + (into.get(key)?.n ?? 0) })
}

/** Rows without facts: these are there already. */
async function saveProjections(db: Db, world: World): Promise<void> {
  world.fresh.length = 0
  world.dirty.counters.clear()
  world.dirty.siteCounters.clear()
  await saveWorld(db, world)
}

async function saveCounters(db: Db, sums: Sums): Promise<void> {
  const world = emptyWorld()
  for (const [key, row] of sums.counters) world.dirty.counters.set(key, row)
  for (const [key, row] of sums.sites) world.dirty.siteCounters.set(key, row)
  await saveWorld(db, world)
}

/** Every row of a world against the stored one of the same key. */
async function compareRows(db: Db, world: World, sums: Sums): Promise<readonly string[]> {
  const found = await Promise.all([
    compare(db, DELIVERIES, [...world.deliveries.values()], sums),
    compare(db, SUPPRESSIONS, [...world.suppressions.values()], sums),
    compare(db, INBOX, [...world.inbox.values()], sums),
    compare(db, SITE_STATES, [...world.sites.values()], sums),
  ])
  return found.flat()
}

async function compare<Row>(db: Db, shape: Shape<Row>, made: readonly Row[], sums: Sums): Promise<readonly string[]> {
  const { table } = shape
  sums.rows.set(table.name, (sums.rows.get(table.name) ?? 0) + made.length)
  if (made.length === 0) return []
  const types = table.key.map((name) => table.columns[name] ?? 'text')
  const encoded = made.map((row) => shape.encode(row))
  const on = table.key.map((name, n) => `p.${name} = k.k${n + 1}`).join(' and ')
  const rows = await db.inKeys(`select ${shape.columns('p')} from {keys} k cross join ${table.name} p where ${on}`, {
    types,
    rows: encoded.map((row) => table.key.map((name) => row[name] ?? null)),
  })
  const stored = new Map(rows.map((row) => shape.encode(shape.decode(row))).map((row) => [nameOf(table.key, row), say(row)]))
  return encoded.flatMap((row) => {
    const name = nameOf(table.key, row)
    const there = stored.get(name)
    if (there === say(row)) return []
    return [`${table.name} ${name}: ${there === undefined ? 'is not in the store' : `stored ${there}, rebuilt ${say(row)}`}`]
  })
}

type Encoded = Readonly<Record<string, unknown>>
const plain = (value: unknown): unknown => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value)
const nameOf = (key: readonly string[], row: Encoded): string => key.map((name) => String(plain(row[name]))).join('/')
const say = (row: Encoded): string =>
  JSON.stringify(Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(cleanValue(value))])))

/** Counters summed over their slots, and rows that no fact explains. */
async function compareTotals(db: Db, sums: Sums): Promise<readonly string[]> {
  const counters = await sumStored<StoredCounter>(db, COUNTERS, { keptFrom: sums.keptFrom, nameOfRow: counterName })
  const sites = await sumStored<StoredSiteCounter>(db, SITE_COUNTERS, { keptFrom: sums.keptFrom, nameOfRow: siteName })
  const made = new Map([...sums.counters.values()].map((row) => [counterName(row), row.n]))
  const madeSites = new Map([...sums.sites.values()].map((row) => [siteName(row), row.n]))
  const extra: string[] = []
  for (const shape of [DELIVERIES, SUPPRESSIONS, INBOX, SITE_STATES]) {
    const { name } = shape.table
    const count = Number((await db.one(`select count(*) as n from ${name}`))?.['n'])
    const want = sums.rows.get(name) ?? 0
    if (count !== want) extra.push(`${name}: ${count} rows in the store, ${want} by the facts`)
  }
  return [...extra, ...differ('counters', counters, made), ...differ('site_counters', sites, madeSites)]
}

const counterName = (row: CounterRow): string => [row.account, row.quarter, row.apiUser, row.labelId, row.domain, row.metric].join('/')
const siteName = (row: SiteRow): string => [row.site, row.quarter, row.metric].join('/')

async function sumStored<Row extends { readonly n: number; readonly quarter: number }>(
  db: Db,
  shape: Shape<Row>,
  { keptFrom, nameOfRow }: { readonly keptFrom: number; readonly nameOfRow: (row: Row) => string },
): Promise<Map<string, number>> {
  const sums = new Map<string, number>()
  let after: Row | null = null
  for (;;) {
    const rows: readonly Row[] = await pageRowsForOperator(db, shape, after, PAGE)
    for (const row of rows) if (row.quarter >= keptFrom) sums.set(nameOfRow(row), (sums.get(nameOfRow(row)) ?? 0) + row.n)
    after = rows.at(-1) ?? null
    if (after === null || rows.length < PAGE) return sums
  }
}

function differ(table: string, stored: ReadonlyMap<string, number>, made: ReadonlyMap<string, number>): readonly string[] {
  return [...new Set([...stored.keys(), ...made.keys()])]
    .filter((name) => (stored.get(name) ?? 0) !== (made.get(name) ?? 0))
    .map((name) => `${table} ${name}: stored ${stored.get(name) ?? 0}, rebuilt ${made.get(name) ?? 0}`)
}

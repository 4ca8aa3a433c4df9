/**
 * rebuild - rebuilds the projections from the facts, or compares them with the stored rows
 *
 * Runs in one transaction, so that other readers see either the old rows or the new ones. Reads the facts in pages of whole deliveries, list
 * entries and mails. Sends no webhooks. Leaves counters of retired months alone: their facts are removed (service/admin/retire).
 *
 * See also: ledger/project/fold, store/facts/rebuild, commands/store/rebuild.
 */
import { applyFacts } from '../../ledger/project/fold.ts'
import { createLedgerState, type CounterRow, type SiteCounterRow, type LedgerState } from '../../ledger/project/state.ts'
import type { Database } from '../../store/engine/engine.ts'
import {
  clearProjectionsForOperator,
  countFactsForOperator,
  FACT_TABLES,
  BEFORE_FIRST_SUBJECT,
  listFactsForOperator,
  listRowsForOperator,
  PROJECTIONS,
} from '../../store/facts/rebuild.ts'
import { DELIVERIES } from '../../store/mail/delivery-columns.ts'
import {
  COUNTERS,
  INBOX,
  SITE_COUNTERS,
  SITE_STATES,
  SUPPRESSIONS,
  type StoredCounter,
  type StoredSiteCounter,
} from '../../store/schema.ts'
import { readRetentionCutoffForOperator } from '../../store/facts/retention.ts'
import type { TableMapping } from '../../store/engine/mapping.ts'
import { normalizeValue } from '../../store/engine/value.ts'
import { saveLedgerState } from '../../store/facts/ledger-state.ts'
import type { Context } from '../context.ts'

type RebuildOptions = {
  /** Compares only and writes nothing. */
  readonly check: boolean
  readonly onProgress: (facts: number, total: number) => void
}

type RebuildResult = {
  readonly facts: number
  /** Differences between the stored and the rebuilt rows, one line each; at most `MAX_SHOWN_DIFFERENCES`. */
  readonly differences: readonly string[]
  /** The number of all differences. */
  readonly differing: number
}

/** Facts in one page; rows that one comparison reads. */
const PAGE_SIZE = 2_000
const MAX_SHOWN_DIFFERENCES = 50

/** Rebuilds or checks the projections in one transaction. Faults: store_busy. */
export async function rebuild(context: Context, options: RebuildOptions): Promise<RebuildResult> {
  return context.engine.tx(
    async (db) => {
      const total = await countFactsForOperator(db)
      const sums = emptySums(await readRetentionCutoffForOperator(db))
      const seen = { facts: 0 }
      const differences: string[] = []
      if (!options.check) await clearProjectionsForOperator(db, keysOf(PROJECTIONS), sums.retentionStart)
      for await (const ledgerState of rebuiltStates(db, (count) => options.onProgress((seen.facts += count), total))) {
        addCounters(sums, ledgerState)
        if (options.check) differences.push(...(await compareRows(db, ledgerState, sums)))
        else await saveProjections(db, ledgerState)
      }
      if (options.check) differences.push(...(await compareTotals(db, sums)))
      else await saveCounters(db, sums)
      return { facts: seen.facts, differences: differences.slice(0, MAX_SHOWN_DIFFERENCES), differing: differences.length }
    },
    { lockName: 'rebuild', isMaintenance: true },
  )
}

/** `Object.keys` with the type of the keys. The cast is sound: the argument is one of the tables above. */
const keysOf = <T extends object>(table: T): readonly (keyof T)[] => Object.keys(table) as (keyof T)[]

async function* rebuiltStates(db: Database, onPage: (facts: number) => void): AsyncGenerator<LedgerState> {
  for (const table of keysOf(FACT_TABLES)) {
    let after: typeof BEFORE_FIRST_SUBJECT | null = BEFORE_FIRST_SUBJECT
    while (after !== null) {
      const page = await listFactsForOperator(db, table, after, PAGE_SIZE)
      const ledgerState = createLedgerState({ keepsFacts: true })
      applyFacts(ledgerState, page.facts)
      onPage(page.facts.length)
      if (page.facts.length > 0) yield ledgerState
      after = page.next
    }
  }
}

/** Counters and row counts summed over all pages. Counters before `retentionStart` are left out. */
type RebuildSums = {
  readonly retentionStart: number
  readonly counters: Map<string, CounterRow>
  readonly sites: Map<string, SiteCounterRow>
  readonly rows: Map<string, number>
}
const emptySums = (retentionStart: number): RebuildSums => ({ retentionStart, counters: new Map(), sites: new Map(), rows: new Map() })

function addCounters(sums: RebuildSums, { dirty }: LedgerState): void {
  addDeltas(sums.counters, dirty.counters, sums.retentionStart)
  addDeltas(sums.sites, dirty.siteCounters, sums.retentionStart)
}

function addDeltas<Row extends { readonly n: number; readonly quarter: number }>(
  sums: Map<string, Row>,
  deltas: ReadonlyMap<string, Row>,
  retentionStart: number,
): void {
  for (const [key, row] of deltas) if (row.quarter >= retentionStart) sums.set(key, { ...row, n: row.n + (sums.get(key)?.n ?? 0) })
}

/** Saves rows only: the facts are stored already. */
async function saveProjections(db: Database, ledgerState: LedgerState): Promise<void> {
  ledgerState.newFacts.length = 0
  ledgerState.dirty.counters.clear()
  ledgerState.dirty.siteCounters.clear()
  await saveLedgerState(db, ledgerState)
}

async function saveCounters(db: Database, sums: RebuildSums): Promise<void> {
  const ledgerState = createLedgerState()
  for (const [key, row] of sums.counters) ledgerState.dirty.counters.set(key, row)
  for (const [key, row] of sums.sites) ledgerState.dirty.siteCounters.set(key, row)
  await saveLedgerState(db, ledgerState)
}

/** Compares each rebuilt row with the stored row of the same key. */
async function compareRows(db: Database, ledgerState: LedgerState, sums: RebuildSums): Promise<readonly string[]> {
  const found = await Promise.all([
    compareTable(db, DELIVERIES, [...ledgerState.deliveries.values()], sums),
    compareTable(db, SUPPRESSIONS, [...ledgerState.suppressions.values()], sums),
    compareTable(db, INBOX, [...ledgerState.inbox.values()], sums),
    compareTable(db, SITE_STATES, [...ledgerState.sites.values()], sums),
  ])
  return found.flat()
}

async function compareTable<Row>(
  db: Database,
  mapping: TableMapping<Row>,
  made: readonly Row[],
  sums: RebuildSums,
): Promise<readonly string[]> {
  const { table } = mapping
  sums.rows.set(table.name, (sums.rows.get(table.name) ?? 0) + made.length)
  if (made.length === 0) return []
  const types = table.key.map((name) => table.columns[name] ?? 'text')
  const encoded = made.map((row) => mapping.encode(row))
  const on = table.key.map((name, n) => `p.${name} = k.k${n + 1}`).join(' and ')
  const rows = await db.inKeys(`select ${mapping.columns('p')} from {keys} k cross join ${table.name} p where ${on}`, {
    types,
    rows: encoded.map((row) => table.key.map((name) => row[name] ?? null)),
  })
  const stored = new Map(rows.map((row) => mapping.encode(mapping.decode(row))).map((row) => [rowKey(table.key, row), rowText(row)]))
  return encoded.flatMap((row) => {
    const name = rowKey(table.key, row)
    const storedText = stored.get(name)
    if (storedText === rowText(row)) return []
    return [`${table.name} ${name}: ${storedText === undefined ? 'not in the store' : `stored ${storedText}, rebuilt ${rowText(row)}`}`]
  })
}

type EncodedRow = Readonly<Record<string, unknown>>
const comparable = (value: unknown): unknown => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value)
const rowKey = (key: readonly string[], row: EncodedRow): string => key.map((name) => String(comparable(row[name]))).join('/')
const rowText = (row: EncodedRow): string =>
  JSON.stringify(Object.fromEntries(Object.entries(row).map(([name, value]) => [name, comparable(normalizeValue(value))])))

/** Compares the counters, summed over their slots, and the number of rows, which finds stored rows that no fact creates. */
async function compareTotals(db: Database, sums: RebuildSums): Promise<readonly string[]> {
  const counters = await sumStored<StoredCounter>(db, COUNTERS, { retentionStart: sums.retentionStart, nameOfRow: counterName })
  const sites = await sumStored<StoredSiteCounter>(db, SITE_COUNTERS, { retentionStart: sums.retentionStart, nameOfRow: siteName })
  const rebuilt = new Map([...sums.counters.values()].map((row) => [counterName(row), row.n]))
  const rebuiltSites = new Map([...sums.sites.values()].map((row) => [siteName(row), row.n]))
  const rowCountDifferences: string[] = []
  for (const mapping of [DELIVERIES, SUPPRESSIONS, INBOX, SITE_STATES]) {
    const { name } = mapping.table
    const count = Number((await db.one(`select count(*) as n from ${name}`))?.['n'])
    const want = sums.rows.get(name) ?? 0
    if (count !== want) rowCountDifferences.push(`${name}: ${count} rows in the store, ${want} rebuilt from facts`)
  }
  return [
    ...rowCountDifferences,
    ...differingCounters('counters', counters, rebuilt),
    ...differingCounters('site_counters', sites, rebuiltSites),
  ]
}

const counterName = (row: CounterRow): string => [row.account, row.quarter, row.apiUser, row.labelId, row.domain, row.metric].join('/')
const siteName = (row: SiteCounterRow): string => [row.site, row.quarter, row.metric].join('/')

async function sumStored<Row extends { readonly n: number; readonly quarter: number }>(
  db: Database,
  mapping: TableMapping<Row>,
  { retentionStart, nameOfRow }: { readonly retentionStart: number; readonly nameOfRow: (row: Row) => string },
): Promise<Map<string, number>> {
  const sums = new Map<string, number>()
  let after: Row | null = null
  for (;;) {
    const rows: readonly Row[] = await listRowsForOperator(db, mapping, after, PAGE_SIZE)
    for (const row of rows) if (row.quarter >= retentionStart) sums.set(nameOfRow(row), (sums.get(nameOfRow(row)) ?? 0) + row.n)
    after = rows.at(-1) ?? null
    if (after === null || rows.length < PAGE_SIZE) return sums
  }
}

function differingCounters(table: string, stored: ReadonlyMap<string, number>, made: ReadonlyMap<string, number>): readonly string[] {
  return [...new Set([...stored.keys(), ...made.keys()])]
    .filter((name) => (stored.get(name) ?? 0) !== (made.get(name) ?? 0))
    .map((name) => `${table} ${name}: stored ${stored.get(name) ?? 0}, rebuilt ${made.get(name) ?? 0}`)
}

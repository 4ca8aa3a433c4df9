/**
 * rebuild-rows - the rows of one slice of facts, compared with the stored ones; and stored rows that no fact creates
 *
 * See also: service/admin/rebuild, ledger/project/fold.
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import { createLedgerState, type LedgerState } from '../../ledger/project/state.ts'
import type { Database } from '../../store/engine/engine.ts'
import type { TableMapping } from '../../store/engine/mapping.ts'
import { normalizeValue } from '../../store/engine/value.ts'
import type { SubjectRef } from '../../store/facts/facts.ts'
import {
  type FACT_TABLES,
  findStoredRowsForOperator,
  findSubjectsWithFactsForOperator,
  listFactsForOperator,
  listRowsForOperator,
  removeStoredRowsForOperator,
} from '../../store/facts/rebuild.ts'
import { DELIVERIES } from '../../store/mail/delivery-columns.ts'
import { findQueuedDeliveryIdsForOperator } from '../../store/queue/queued-mail.ts'
import { INBOX, SITE_STATES, SUPPRESSIONS } from '../../store/schema.ts'

/** Facts, or rows, of one slice: some 20 ms of work. */
const SLICE_SIZE = 500

type FactSlice = {
  readonly facts: number
  /** Null: this was the last slice. */
  readonly next: SubjectRef | null
  readonly differences: readonly string[]
  /** How many of the differences are messages that no rebuild can bring back. */
  readonly lost: number
}

/** Folds the next slice of facts and compares the rows with the stored ones. Unless `check`, writes those that differ. */
export async function rebuildFactSlice(
  db: Database,
  table: keyof typeof FACT_TABLES,
  after: SubjectRef,
  check: boolean,
): Promise<FactSlice> {
  const { facts, next } = await listFactsForOperator(db, table, after, SLICE_SIZE)
  const ledgerState = createLedgerState({ keepsFacts: true })
  applyFacts(ledgerState, facts)
  const { deliveries, suppressions, inbox, sites } = ledgerState
  const differences = [
    ...(await rebuildTable(db, DELIVERIES, [...deliveries.values()], check)),
    ...(await rebuildTable(db, SUPPRESSIONS, [...suppressions.values()], check)),
    ...(await rebuildTable(db, INBOX, [...inbox.values()], check)),
    ...(await rebuildTable(db, SITE_STATES, [...sites.values()], check)),
  ]
  const lost = await findLostMessages(db, ledgerState)
  return { facts: facts.length, next, differences: [...differences, ...lost], lost: lost.length }
}

async function rebuildTable<Row>(
  db: Database,
  mapping: TableMapping<Row>,
  rebuilt: readonly Row[],
  check: boolean,
): Promise<readonly string[]> {
  if (rebuilt.length === 0) return []
  const stored = new Map(
    (await findStoredRowsForOperator(db, mapping, rebuilt)).map((row) => [keyText(mapping, row), rowText(mapping, row)]),
  )
  const differing = rebuilt.filter((row) => stored.get(keyText(mapping, row)) !== rowText(mapping, row))
  if (!check && differing.length > 0)
    await db.upsertMany(
      mapping,
      differing.toSorted((a, b) => (keyText(mapping, a) < keyText(mapping, b) ? -1 : 1)),
    )
  return differing.map((row) => {
    const storedText = stored.get(keyText(mapping, row))
    const what = storedText === undefined ? 'not in the store' : `stored ${storedText}, rebuilt ${rowText(mapping, row)}`
    return `${mapping.table.name} ${keyText(mapping, row)}: ${what}`
  })
}

/** What our own queue accepted has an outcome or is in the queue. No rebuild can mend this: the body of the message is gone. */
async function findLostMessages(db: Database, { deliveries, facts }: LedgerState): Promise<readonly string[]> {
  const isQueued = (fact: Fact): boolean => fact.kind === 'request' && fact.data.result === 'unsent'
  const waiting = [...deliveries.values()].filter(
    ({ status, recipient, deliveryId }) => status === 18 && recipient !== null && facts.get(deliveryId)?.some(isQueued) === true,
  )
  if (waiting.length === 0) return []
  const refs = waiting.map(({ account, deliveryId, month }) => ({ account, deliveryId, deliveryMonth: month }))
  const queued = await findQueuedDeliveryIdsForOperator(db, refs)
  return waiting
    .filter(({ deliveryId }) => !queued.has(deliveryId))
    .map(
      ({ account, deliveryId }) => `queue_mails ${account}/${deliveryId}: accepted for delivery, has no outcome, and is not in the queue`,
    )
}

/** Runs one slice in a transaction, which may run again. */
type RunSlice = <Slice extends { readonly differences: readonly string[] }>(work: (db: Database) => Promise<Slice>) => Promise<Slice>

type OrphanSlice<Row> = { readonly differences: readonly string[]; /** Null: this was the last slice. */ readonly next: Row | null }

/** Finds rows without facts, slice by slice, and removes them unless `check`. */
function createOrphanScan<Row>(
  mapping: TableMapping<Row>,
  subjectOf: (row: Row) => SubjectRef,
): (runSlice: RunSlice, check: boolean) => Promise<void> {
  return async (runSlice, check) => {
    let after: Row | null = null
    do {
      const start: Row | null = after
      const slice: OrphanSlice<Row> = await runSlice((db) => scanForOrphans(db, { mapping, subjectOf, check }, start))
      after = slice.next
    } while (after !== null)
  }
}

type OrphanScan<Row> = { readonly mapping: TableMapping<Row>; readonly subjectOf: (row: Row) => SubjectRef; readonly check: boolean }

async function scanForOrphans<Row>(
  db: Database,
  { mapping, subjectOf, check }: OrphanScan<Row>,
  after: Row | null,
): Promise<OrphanSlice<Row>> {
  const rows = await listRowsForOperator(db, mapping, after, SLICE_SIZE)
  const subjects = await findSubjectsWithFactsForOperator(db, rows.map(subjectOf))
  const extra = rows.filter((row) => !subjects.has(`${subjectOf(row).account}/${subjectOf(row).subject}`))
  if (!check && extra.length > 0) await removeStoredRowsForOperator(db, mapping, extra)
  const differences = extra.map((row) => `${mapping.table.name} ${keyText(mapping, row)}: no fact creates it`)
  return { differences, next: rows.length < SLICE_SIZE ? null : (rows.at(-1) ?? null) }
}

/** The subjects of ledger/facts/new-fact. */
export const ORPHAN_SCANS = [
  createOrphanScan(DELIVERIES, ({ account, deliveryId }) => ({ account, subject: deliveryId })),
  createOrphanScan(SUPPRESSIONS, ({ account, list, addressHash, scope }) => ({ account, subject: `list:${list}:${addressHash}:${scope}` })),
  createOrphanScan(INBOX, ({ account, digest }) => ({ account, subject: `mail:${digest}` })),
  createOrphanScan(SITE_STATES, ({ site }) => ({ account: 0, subject: `site:${site}` })),
] as const

const comparable = (value: unknown): unknown => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value)

function keyText<Row>({ table, encode }: TableMapping<Row>, row: Row): string {
  const encoded: Readonly<Record<string, unknown>> = encode(row)
  return table.key.map((name) => String(comparable(encoded[name]))).join('/')
}

const rowText = <Row>({ encode }: TableMapping<Row>, row: Row): string =>
  JSON.stringify(Object.fromEntries(Object.entries(encode(row)).map(([name, value]) => [name, comparable(normalizeValue(value))])))

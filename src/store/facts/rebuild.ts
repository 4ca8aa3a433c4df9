/**
 * rebuild - all facts in the order of their keys, and all projections to compare them with
 *
 * A page never splits a subject: it contains all facts of each delivery, list entry or mail in it. Each page is a short read of its own.
 * Replacing works by pages too: clear the projections, then save page by page.
 *
 * See also: store/facts/ledger-state (which saves), ledger/project/fold.
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import type { Database, DatabaseReader } from '../engine/engine.ts'
import { decodeFact, findFactsBySubject } from './facts.ts'
import type { SubjectRef } from './facts.ts'
import { DELIVERIES } from '../mail/delivery-columns.ts'
import { COUNTERS, FACTS, INBOX, LIST_FACTS, SITE_COUNTERS, SITE_STATES, SUPPRESSIONS } from '../schema.ts'
import type { TableMapping } from '../engine/mapping.ts'
import type { SqlRow, SqlValue } from '../engine/value.ts'

/** The tables of facts. */
export const FACT_TABLES = { events: FACTS, list_events: LIST_FACTS } as const

/** The projections: the tables that are folded from facts. */
export const PROJECTIONS = {
  deliveries: DELIVERIES,
  suppressions: SUPPRESSIONS,
  inbox: INBOX,
  siteStates: SITE_STATES,
  counters: COUNTERS,
  siteCounters: SITE_COUNTERS,
} as const

/** The cursor before the first subject. */
export const BEFORE_FIRST_SUBJECT: SubjectRef = { account: -1, subject: '' }

type FactPage = { readonly facts: readonly Fact[]; /** Null: this was the last page. */ readonly next: SubjectRef | null }

/** Lists about `limit` facts of whole subjects, after `after`. A single subject with more facts is returned whole. */
export async function listFactsForOperator(
  reader: DatabaseReader,
  table: keyof typeof FACT_TABLES,
  after: SubjectRef,
  limit: number,
): Promise<FactPage> {
  const mapping = FACT_TABLES[table]
  const sql = `select ${mapping.columns('e')} from ${table} e where (e.account_id, e.subject) > ($1, $2)
    order by e.account_id, e.subject, e.delivery_month, e.dedup_key limit $3`
  const facts = (await reader.all(sql, [after.account, after.subject, limit])).map(decodeFact)
  const last = facts.at(-1)
  if (last === undefined || facts.length < limit) return { facts, next: null }
  const isOfLast = ({ account, subject }: Fact): boolean => account === last.account && subject === last.subject
  const whole = facts.filter((fact) => !isOfLast(fact))
  const previous = whole.at(-1)
  if (previous !== undefined) return { facts: whole, next: { account: previous.account, subject: previous.subject } }
  const next = { account: last.account, subject: last.subject }
  return { facts: await findFactsBySubject(reader, [next]), next }
}

/** Lists rows of a projection in the order of its key, after `after` (null: from the start). */
export async function listRowsForOperator<R>(
  reader: DatabaseReader,
  mapping: TableMapping<R>,
  after: R | null,
  limit: number,
): Promise<readonly R[]> {
  const { table } = mapping
  const key = table.key.map((name) => `p.${name}`).join(', ')
  const afterKey = after === null ? [] : encodeKey(mapping, after)
  const where = after === null ? '' : `where (${key}) > (${afterKey.map((_, i) => `$${i + 1}`).join(', ')})`
  const sql = `select ${mapping.columns('p')} from ${table.name} p ${where} order by ${key} limit $${afterKey.length + 1}`
  return (await reader.all(sql, [...afterKey, limit])).map(mapping.decode)
}

function encodeKey<R>(mapping: TableMapping<R>, row: R): readonly SqlValue[] {
  const encoded: SqlRow = mapping.encode(row)
  return mapping.table.key.map((name) => encoded[name] ?? null)
}

/**
 * Removes every row of these projections. Counters are removed from `keptFrom` on: there are no older facts to build them from. Run it in
 * the transaction that saves the first page, or under a lock.
 */
export async function clearProjectionsForOperator(db: Database, names: readonly (keyof typeof PROJECTIONS)[], keptFrom = 0): Promise<void> {
  for (const name of names) {
    const { table } = PROJECTIONS[name]
    await ('quarter' in table.columns
      ? db.run(`delete from ${table.name} where quarter >= $1`, [keptFrom])
      : db.run(`delete from ${table.name}`))
  }
}

/** Counts all facts, for a progress bar. */
export async function countFactsForOperator(reader: DatabaseReader): Promise<number> {
  const row = await reader.one('select (select count(*) from events) + (select count(*) from list_events) as n')
  return Number(row?.['n'] ?? 0)
}

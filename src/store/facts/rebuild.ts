/**
 * rebuild - all facts in the order of their keys, and the rows of projections to compare them with
 *
 * A page never splits a subject: it contains all facts of each delivery, list entry or mail in it. Each page is a short read of its own.
 *
 * See also: service/admin/rebuild, store/facts/rebuild-counters (the sums), ledger/project/fold.
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import type { Database, DatabaseReader, KeyTuples } from '../engine/engine.ts'
import { decodeFact, findFactsBySubject } from './facts.ts'
import type { SubjectRef } from './facts.ts'
import { FACTS, LIST_FACTS } from '../schema.ts'
import { baseType } from '../engine/table.ts'
import type { TableMapping } from '../engine/mapping.ts'
import type { SqlRow, SqlValue } from '../engine/value.ts'

/** The tables of facts. */
export const FACT_TABLES = { events: FACTS, list_events: LIST_FACTS } as const

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

/** Finds the stored rows with the keys of these rows. */
export async function findStoredRowsForOperator<R>(
  reader: DatabaseReader,
  mapping: TableMapping<R>,
  rows: readonly R[],
): Promise<readonly R[]> {
  const { table } = mapping
  const on = table.key.map((name, n) => `p.${name} = k.k${n + 1}`).join(' and ')
  const sql = `select ${mapping.columns('p')} from {keys} k cross join ${table.name} p where ${on}`
  return (await reader.inKeys(sql, keysOfRows(mapping, rows))).map(mapping.decode)
}

/** Removes the rows with the keys of these rows. */
export async function removeStoredRowsForOperator<R>(db: Database, mapping: TableMapping<R>, rows: readonly R[]): Promise<void> {
  const { table } = mapping
  const keyColumns = table.key.map((_, n) => `k.k${n + 1}`).join(', ')
  await db.inKeys(
    `delete from ${table.name} where (${table.key.join(', ')}) in (select ${keyColumns} from {keys} k)`,
    keysOfRows(mapping, rows),
  )
}

function keysOfRows<R>(mapping: TableMapping<R>, rows: readonly R[]): KeyTuples {
  const { table } = mapping
  return { types: table.key.map((name) => baseType(table.columns[name] ?? 'text')), rows: rows.map((row) => encodeKey(mapping, row)) }
}

/** Those subjects that have a fact, as `account/subject`. */
export async function findSubjectsWithFactsForOperator(
  reader: DatabaseReader,
  subjects: readonly SubjectRef[],
): Promise<ReadonlySet<string>> {
  const keys: KeyTuples = { types: ['int', 'text'], rows: subjects.map(({ account, subject }) => [account, subject]) }
  const read = async (table: string): Promise<readonly SqlRow[]> =>
    reader.inKeys(
      `select distinct e.account_id, e.subject from {keys} k cross join ${table} e where e.account_id = k.k1 and e.subject = k.k2`,
      keys,
    )
  const found = await Promise.all(Object.keys(FACT_TABLES).map(read))
  return new Set(found.flat().map((row) => `${Number(row['account_id'])}/${String(row['subject'])}`))
}

function encodeKey<R>(mapping: TableMapping<R>, row: R): readonly SqlValue[] {
  const encoded: SqlRow = mapping.encode(row)
  return mapping.table.key.map((name) => encoded[name] ?? null)
}

/** Counts all facts, for a progress bar. */
export async function countFactsForOperator(reader: DatabaseReader): Promise<number> {
  const row = await reader.one('select (select count(*) from events) + (select count(*) from list_events) as n')
  return Number(row?.['n'] ?? 0)
}

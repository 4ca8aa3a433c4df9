/**
 * sql - translates a statement into the dialect of each engine
 *
 * `$1` becomes `?1` on SQLite. `{keys}` is a JSON list on SQLite and arrays on PostgreSQL. `{lock d}` locks the rows of `d` where the
 * engine has row locks. An insert of many rows is a statement to repeat on SQLite, and one statement over arrays on PostgreSQL. The text
 * does not depend on the number of rows or keys, so each statement is prepared once.
 *
 * Pure, but for a cache of texts. See also: store/engine/engine (the operations), store/engine/migrate (the dialects of the schema).
 */
import type { ClaimQuery, EngineKind, KeyTuples, ConflictRule, UpsertRule } from './engine.ts'
import { baseType } from './table.ts'
import type { Table } from './table.ts'
import { normalizeValue } from './value.ts'
import type { SqlValue } from './value.ts'

const ARRAY_TYPES = { int: 'bigint[]', text: 'text[]', bytes: 'bytea[]' } as const

/** Only the filters of a few lists make statements vary. At this size the cache is cleared. */
const MAX_CACHED_STATEMENTS = 500
/** By the kind of the statement, then by its text or table: a text of several KB as part of a longer key would be copied and hashed at each look-up. */
const statementCaches = new Map<string, Map<string, string>>()

/** Returns the same string for the same statement: the engines identify a prepared statement by its text. */
function cachedStatement(kind: string, name: string, build: () => string): string {
  const cache = statementCaches.get(kind) ?? new Map<string, string>()
  const cached = cache.get(name)
  if (cached !== undefined) return cached
  if (cache.size >= MAX_CACHED_STATEMENTS) cache.clear()
  const statement = build()
  statementCaches.set(kind, cache.set(name, statement))
  return statement
}

/** Translates a statement without keys. */
export function translateSql(kind: EngineKind, sql: string): string {
  return cachedStatement(kind, sql, () => translateUncached(kind, sql))
}

function translateUncached(kind: EngineKind, sql: string): string {
  const withLocks = sql.replace(/\{lock (\w+)\}/g, kind === 'postgres' ? 'for update of $1' : '')
  return kind === 'postgres' ? withLocks : withLocks.replace(/\$(\d+)/g, '?$1')
}

/** Translates a statement with `{keys}`. The parameters of the keys follow the `precedingParameters` first ones. */
export function translateKeyedSql(kind: EngineKind, sql: string, types: KeyTuples['types'], precedingParameters: number): string {
  return cachedStatement(`${kind} ${precedingParameters} ${types.join()}`, sql, () =>
    translateUncached(kind, sql).replaceAll(
      '{keys}',
      kind === 'postgres' ? arrayKeyTable(types, precedingParameters) : jsonKeyTable(types, precedingParameters),
    ),
  )
}

function arrayKeyTable(types: KeyTuples['types'], precedingParameters: number): string {
  const names = types.map((_, i) => `k${i + 1}`).join(', ')
  const arrays = types.map((type, i) => `$${precedingParameters + i + 1}::${ARRAY_TYPES[baseType(type)]}`).join(', ')
  return `(select ${names} from unnest(${arrays}) as u(${names}))`
}

function jsonKeyTable(types: KeyTuples['types'], precedingParameters: number): string {
  const keyColumns = types.map((type, i) => {
    const value = types.length === 1 ? 'value' : `value ->> ${i}`
    return `${baseType(type) === 'bytes' ? `unhex(${value})` : value} as k${i + 1}`
  })
  return `(select ${keyColumns.join(', ')} from json_each(?${precedingParameters + 1}))`
}

/** The keys as the JSON text that {@link translateKeyedSql} reads on SQLite. */
export function encodeKeysAsJson(keys: KeyTuples): string {
  const toJsonValue = (value: unknown): null | number | string => {
    const clean = normalizeValue(value)
    return clean instanceof Uint8Array ? toHex(clean) : clean
  }
  return JSON.stringify(
    keys.types.length === 1 ? keys.rows.map((row) => toJsonValue(row[0] ?? null)) : keys.rows.map((row) => row.map(toJsonValue)),
  )
}

/** SQLite: a statement for one row, to be repeated. PostgreSQL: one statement with an array for each column. */
export function insertSql(kind: EngineKind, table: Table, onConflict: ConflictRule): string {
  return cachedStatement(
    `${kind} ${onConflict}`,
    table.name,
    () => buildInsertSql(kind, table) + (onConflict === 'ignore' ? ' on conflict do nothing' : ''),
  )
}

/** As {@link insertSql}, but updates the row whose key exists. */
export function upsertSql(kind: EngineKind, table: Table, rule: UpsertRule): string {
  const variant = `${kind} upsert ${rule.addColumns?.join() ?? ''} ${rule.keepColumns?.join() ?? ''}`
  return cachedStatement(variant, table.name, () => buildUpsertSql(kind, table, rule))
}

function buildUpsertSql(kind: EngineKind, table: Table, rule: UpsertRule): string {
  const sets = Object.keys(table.columns)
    .filter((name) => !table.key.includes(name) && !rule.keepColumns?.includes(name))
    .map((name) => `${name} = ${rule.addColumns?.includes(name) ? `${table.name}.${name} + ` : ''}excluded.${name}`)
  const conflictAction = sets.length === 0 ? 'do nothing' : `do update set ${sets.join(', ')}`
  return `${buildInsertSql(kind, table)} on conflict (${table.key.join(', ')}) ${conflictAction}`
}

function buildInsertSql(kind: EngineKind, table: Table): string {
  const names = Object.keys(table.columns)
  const into = `insert into ${table.name} (${names.join(', ')})`
  // A numbered `?58` is a name to SQLite, which is looked up among all others for each value.
  if (kind === 'sqlite') return `${into} values (${names.map(() => '?').join(', ')})`
  const arrays = Object.values(table.columns).map((type, i) => `$${i + 1}::${ARRAY_TYPES[baseType(type)]}`)
  return `${into} select * from unnest(${arrays.join(', ')})`
}

/** Changes and returns rows that no other node is claiming. */
export function claimSql(kind: EngineKind, claim: ClaimQuery): string {
  const { table, where, order, set, limit } = claim
  const key = table.key.join(', ')
  const keyQuery = `select ${key} from ${table.name} where ${where} order by ${order} limit ${Math.trunc(limit)}`
  if (kind === 'sqlite') return translateSql(kind, `update ${table.name} set ${set} where (${key}) in (${keyQuery}) returning *`)
  const joinCondition = table.key.map((name) => `${table.name}.${name} = picked.${name}`).join(' and ')
  return (
    `with picked as materialized (${keyQuery} for update skip locked) ` +
    `update ${table.name} set ${set} from picked where ${joinCondition} returning ${table.name}.*`
  )
}

/** A PostgreSQL array literal. Every value is quoted, which is cheaper than checking which ones need it. */
export function arrayLiteral(values: readonly SqlValue[]): string {
  return `{${values.map(arrayElement).join(',')}}`
}

function arrayElement(value: SqlValue): string {
  if (value === null) return 'NULL'
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string') return `"${value.replace(/["\\]/g, '\\$&')}"`
  return `"\\\\x${toHex(value)}"`
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/**
 * sql - one statement in the words of each engine
 *
 * The SQL of the store is written once. What must differ is spelled here: `$1` is `?1` to SQLite; `{keys}` is a JSON list to
 * SQLite and arrays to PostgreSQL; `{lock d}` locks the rows of `d` where there are row locks; an insert of many rows is a
 * statement to loop, or one statement over arrays. Every text is the same for any number of rows and keys, so it is prepared once.
 *
 * Pure. See also: store/engine/engine (the verbs), store/engine/migrate (the words of the schema).
 */
import type { Claim, EngineKind, Keys, OnConflict, UpsertRule } from './engine.ts'
import { bareType } from './table.ts'
import type { Table } from './table.ts'
import { cleanValue } from './value.ts'
import type { Value } from './value.ts'

const ARRAY_TYPES = { int: 'bigint[]', text: 'text[]', bytes: 'bytea[]' } as const

/** Statements vary only in the filters of a few lists; beyond so many the memory starts afresh. */
const MAX_SPELLED = 500
const spelled = new Map<string, string>()

/** What was spelled once is the same text again: the engines know it by its name. */
function remembered(name: string, make: () => string): string {
  const known = spelled.get(name)
  if (known !== undefined) return known
  if (spelled.size >= MAX_SPELLED) spelled.clear()
  const made = make()
  spelled.set(name, made)
  return made
}

/** One statement in the engine's words, without keys. */
export function spell(kind: EngineKind, sql: string): string {
  return remembered(`${kind} ${sql}`, () => spellAnew(kind, sql))
}

function spellAnew(kind: EngineKind, sql: string): string {
  const locked = sql.replace(/\{lock (\w+)\}/g, kind === 'postgres' ? 'for update of $1' : '')
  return kind === 'postgres' ? locked : locked.replace(/\$(\d+)/g, '?$1')
}

/** A statement with `{keys}`, whose parameters stand behind the `before` first ones. */
export function spellKeys(kind: EngineKind, sql: string, types: Keys['types'], before: number): string {
  return remembered(`${kind} ${before} ${types.join()} ${sql}`, () =>
    spellAnew(kind, sql).replace('{keys}', kind === 'postgres' ? arrayKeys(types, before) : jsonKeys(types, before)),
  )
}

function arrayKeys(types: Keys['types'], before: number): string {
  const names = types.map((_, i) => `k${i + 1}`).join(', ')
  const arrays = types.map((type, i) => `$${before + i + 1}::${ARRAY_TYPES[bareType(type)]}`).join(', ')
  return `(select ${names} from unnest(${arrays}) as u(${names}))`
}

function jsonKeys(types: Keys['types'], before: number): string {
  const picks = types.map((type, i) => {
    const value = types.length === 1 ? 'value' : `value ->> ${i}`
    return `${bareType(type) === 'bytes' ? `unhex(${value})` : value} as k${i + 1}`
  })
  return `(select ${picks.join(', ')} from json_each(?${before + 1}))`
}

/** The keys as the one JSON text that {@link spellKeys} reads on SQLite. */
export function keysJson(keys: Keys): string {
  const plain = (value: unknown): null | number | string => {
    const clean = cleanValue(value)
    return clean instanceof Uint8Array ? hexOf(clean) : clean
  }
  return JSON.stringify(keys.types.length === 1 ? keys.rows.map((row) => plain(row[0] ?? null)) : keys.rows.map((row) => row.map(plain)))
}

/** SQLite: a statement for one row, to be looped. PostgreSQL: one statement over an array a column. */
export function insertSql(kind: EngineKind, table: Table, onConflict: OnConflict): string {
  return remembered(
    `${kind} ${onConflict} ${table.name}`,
    () => intoSql(kind, table) + (onConflict === 'ignore' ? ' on conflict do nothing' : ''),
  )
}

/** As {@link insertSql}, changing the row whose key is there. */
export function upsertSql(kind: EngineKind, table: Table, rule: UpsertRule): string {
  const name = `${kind} upsert ${table.name} ${rule.add?.join() ?? ''} ${rule.keep?.join() ?? ''}`
  return remembered(name, () => upsertAnew(kind, table, rule))
}

function upsertAnew(kind: EngineKind, table: Table, rule: UpsertRule): string {
  const sets = Object.keys(table.columns)
    .filter((name) => !table.key.includes(name) && !rule.keep?.includes(name))
    .map((name) => `${name} = ${rule.add?.includes(name) ? `${table.name}.${name} + ` : ''}excluded.${name}`)
  const change = sets.length === 0 ? 'do nothing' : `do update set ${sets.join(', ')}`
  return `${intoSql(kind, table)} on conflict (${table.key.join(', ')}) ${change}`
}

function intoSql(kind: EngineKind, table: Table): string {
  const names = Object.keys(table.columns)
  const into = `insert into ${table.name} (${names.join(', ')})`
  if (kind === 'sqlite') return `${into} values (${names.map((_, i) => `?${i + 1}`).join(', ')})`
  const arrays = Object.values(table.columns).map((type, i) => `$${i + 1}::${ARRAY_TYPES[bareType(type)]}`)
  return `${into} select * from unnest(${arrays.join(', ')})`
}

/** Takes rows that no other node is taking; gives the changed rows. */
export function claimSql(kind: EngineKind, claim: Claim): string {
  const { table, where, order, set, limit } = claim
  const key = table.key.join(', ')
  const pick = `select ${key} from ${table.name} where ${where} order by ${order} limit ${Math.trunc(limit)}`
  if (kind === 'sqlite') return spell(kind, `update ${table.name} set ${set} where (${key}) in (${pick}) returning *`)
  const same = table.key.map((name) => `${table.name}.${name} = picked.${name}`).join(' and ')
  return (
    `with picked as materialized (${pick} for update skip locked) ` +
    `update ${table.name} set ${set} from picked where ${same} returning ${table.name}.*`
  )
}

/** A PostgreSQL array literal. Every value is quoted: cheaper than to ask which ones need it. */
export function arrayLiteral(values: readonly Value[]): string {
  return `{${values.map(arrayItem).join(',')}}`
}

function arrayItem(value: Value): string {
  if (value === null) return 'NULL'
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string') return `"${value.replace(/["\\]/g, '\\$&')}"`
  return `"\\\\x${hexOf(value)}"`
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/**
 * table - a table as data: its columns with their types, and its key
 *
 * One description serves the types of the code, the arrays that PostgreSQL takes, the statements of both engines, and the
 * check of a row that comes back. A test holds it against the schema that the migrations really make.
 *
 * See also: store/schema (the tables), store/engine (who uses them).
 */
import { Fault } from '../error.ts'
import type { Row, Value } from './value.ts'

/** A question mark: the column may be null. */
export type ColumnType = 'int' | 'int?' | 'text' | 'text?' | 'bytes' | 'bytes?'

export type Table = {
  readonly name: string
  readonly columns: Readonly<Record<string, ColumnType>>
  /** The primary key, in its order. */
  readonly key: readonly string[]
}

type BareValue<T extends string> = T extends `${infer Bare}?`
  ? BareValue<Bare> | null
  : T extends 'int'
    ? number
    : T extends 'text'
      ? string
      : Uint8Array

/** A row of a table as the code sees it. */
export type RowOf<T extends Table> = { readonly [K in keyof T['columns']]: BareValue<T['columns'][K]> }

const FITS: Readonly<Record<ColumnType, (value: Value | undefined) => boolean>> = {
  int: (value) => typeof value === 'number',
  'int?': (value) => value === null || typeof value === 'number',
  text: (value) => typeof value === 'string',
  'text?': (value) => value === null || typeof value === 'string',
  bytes: (value) => value instanceof Uint8Array,
  'bytes?': (value) => value === null || value instanceof Uint8Array,
}

/** Rows as their table says they are; extra columns pass. Throws Fault internal where a column is missing or of another type. */
export function rowsOf<T extends Table>(table: T, rows: readonly Row[]): readonly RowOf<T>[] {
  return rows.map((row) => rowOf(table, row))
}

/** One row, checked as in {@link rowsOf}. */
export function rowOf<T extends Table>(table: T, row: Row): RowOf<T> {
  for (const name in table.columns) {
    const type = table.columns[name]
    if (type !== undefined && !FITS[type](row[name]))
      throw new Fault('internal', `${table.name}.${name} is no ${type} in what the store gave back`)
  }
  // The checked door: every column has just been found to be of its type.
  return row as RowOf<T>
}

/** The columns of a table as a select list, each behind `prefix`: `columnsOf(T, 'd')` → `d.a, d.b`. */
export function columnsOf(table: Table, prefix: string): string {
  return Object.keys(table.columns)
    .map((name) => `${prefix}.${name}`)
    .join(', ')
}

/** The type without its question mark. */
export function bareType(type: ColumnType): 'int' | 'text' | 'bytes' {
  return type.startsWith('int') ? 'int' : type.startsWith('text') ? 'text' : 'bytes'
}

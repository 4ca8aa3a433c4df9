/**
 * mapping - maps the fields of a value to the columns of a table
 *
 * A mapping has one column for each key of the value's type, so the compiler reports a field that no column stores. Ids and digests are
 * hex strings or UUIDs in the code and bytes in the store; booleans are 0 and 1; lists and records are JSON.
 *
 * See also: store/engine/table (the description that a mapping produces), store/tables (all tables).
 */
import { Fault } from '../../errors.ts'
import type { ColumnType, PersonalData, Table } from './table.ts'
import type { SqlRow, SqlValue } from './value.ts'

export type ColumnMapping<V> = {
  readonly column: string
  readonly type: ColumnType
  readonly personalData: PersonalData
  /** The engine compresses the bytes when it writes them. Decoded bytes are still compressed. */
  readonly isCompressed?: true
  readonly encode: (value: V) => SqlValue
  readonly decode: (value: SqlValue) => V
}

export type TableMapping<R> = {
  readonly table: Table
  readonly encode: (row: R) => Readonly<Record<string, SqlValue>>
  /** As `encode`, but appends the values to a list, in the order of the columns. */
  readonly encodeInto: (row: R, into: SqlValue[]) => void
  readonly decode: (row: SqlRow) => R
  /** The columns as a select list, with a table alias. */
  readonly columns: (alias: string) => string
  /** A mapping of some fields, for scans that need no more. It can read rows, not write them. */
  readonly pick: <K extends keyof R>(names: readonly K[]) => Pick<TableMapping<Pick<R, K>>, 'columns' | 'decode'>
}

/** Creates a mapping from a table's name, the columns of its primary key and a column for each field of R. */
export function createTableMapping<R>(
  name: string,
  key: readonly string[],
  fields: { readonly [K in keyof R]-?: ColumnMapping<R[K]> },
): TableMapping<R> {
  const entries = Object.entries(fields) as [string & keyof R, ColumnMapping<unknown>][]
  const table = describeTable(
    name,
    key,
    entries.map(([, field]) => field),
  )
  return {
    table,
    encode(row) {
      const encoded: Record<string, SqlValue> = {}
      for (const [name, field] of entries) encoded[field.column] = field.encode(row[name])
      return encoded
    },
    encodeInto(row, into) {
      for (const [name, field] of entries) into.push(field.encode(row[name]))
    },
    decode(row) {
      const decoded: Record<string, unknown> = {}
      for (const [name, field] of entries) {
        const value = row[field.column]
        if (value === undefined) throw new Fault('internal', `${table.name}.${field.column} is missing in a row of the store`)
        decoded[name] = field.decode(value)
      }
      // Checked cast: `fields` has every key of R, and each decoder has checked its value.
      return decoded as R
    },
    columns: (alias) => entries.map(([, field]) => `${alias}.${field.column}`).join(', '),
    pick<K extends keyof R>(names: readonly K[]) {
      // Checked cast: a record of columns for R contains the columns for K.
      const pickedFields: unknown = Object.fromEntries(names.map((each) => [each, fields[each]]))
      return createTableMapping<Pick<R, K>>(name, key, pickedFields as { readonly [N in K]-?: ColumnMapping<R[N]> })
    },
  }
}

function describeTable(name: string, key: readonly string[], fields: readonly ColumnMapping<unknown>[]): Table {
  return {
    name,
    key,
    columns: Object.fromEntries(fields.map((field) => [field.column, field.type])),
    personalData: Object.fromEntries(fields.map((field) => [field.column, field.personalData])),
    compressedPositions: fields.flatMap((field, position) => (field.isCompressed === true ? [position] : [])),
  }
}

function unexpectedValueFault(column: string, value: SqlValue): Fault {
  return new Fault('internal', `the store returned ${value === null ? 'null' : `a ${typeof value}`} in the column ${column}`)
}

export function integerColumn(column: string): ColumnMapping<number> {
  return {
    column,
    type: 'int',
    personalData: 'none',
    encode: (value) => value,
    decode: (value) => (typeof value === 'number' ? value : throwUnexpectedValue(column, value)),
  }
}

/** A word from a closed list. Only our own code writes it, from the same type. */
export function textEnumColumn<V extends string>(column: string): ColumnMapping<V> {
  return {
    column,
    type: 'text',
    personalData: 'none',
    encode: (value) => value,
    decode: (value) => (typeof value === 'string' ? (value as V) : throwUnexpectedValue(column, value)),
  }
}

/** Text. The description of its personal data is required, so that a new column cannot be forgotten by an erasure. */
export const textColumn = (
  column: string,
  personalData: Extract<PersonalData, 'none' | 'address' | 'text' | 'json' | 'owner'>,
): ColumnMapping<string> => ({
  ...textEnumColumn<string>(column),
  personalData,
})

/** A number from a closed list, as {@link textEnumColumn}. */
export function integerEnumColumn<V extends number>(column: string): ColumnMapping<V> {
  return {
    column,
    type: 'int',
    personalData: 'none',
    encode: (value) => value,
    decode: (value) => (typeof value === 'number' ? (value as V) : throwUnexpectedValue(column, value)),
  }
}

export function booleanColumn(column: string): ColumnMapping<boolean> {
  return {
    column,
    type: 'int',
    personalData: 'none',
    encode: (value) => (value ? 1 : 0),
    decode: (value) => (typeof value === 'number' ? value === 1 : throwUnexpectedValue(column, value)),
  }
}

/** JSON that only our own code writes. */
export function jsonColumn<V>(column: string, personalData: Extract<PersonalData, 'none' | 'json' | 'fact'>): ColumnMapping<V> {
  return {
    column,
    type: 'text',
    personalData,
    encode: (value) => JSON.stringify(value),
    decode: (value) => (typeof value === 'string' ? (JSON.parse(value) as V) : throwUnexpectedValue(column, value)),
  }
}

/** Bytes, as lower-case hex in the code. */
export function hexColumn(column: string): ColumnMapping<string> {
  return {
    column,
    type: 'bytes',
    personalData: 'none',
    encode: (value) => hexToBytes(value),
    decode: (value) => (value instanceof Uint8Array ? bytesToHex(value) : throwUnexpectedValue(column, value)),
  }
}

/** A UUID, as lower-case hex with dashes in the code. '' is empty bytes. */
export function uuidColumn(column: string): ColumnMapping<string> {
  return {
    column,
    type: 'bytes',
    personalData: 'none',
    encode: (value) => uuidToBytes(value),
    decode: (value) => (value instanceof Uint8Array ? bytesToUuid(value) : throwUnexpectedValue(column, value)),
  }
}

export function bytesColumn(
  column: string,
  personalData: Extract<PersonalData, 'none' | 'mail' | 'composition' | 'file'>,
): ColumnMapping<Uint8Array> {
  return {
    column,
    type: 'bytes',
    personalData,
    encode: (value) => value,
    decode: (value) => (value instanceof Uint8Array ? value : throwUnexpectedValue(column, value)),
  }
}

const NULLABLE_TYPES: Readonly<Record<ColumnType, ColumnType>> = {
  int: 'int?',
  'int?': 'int?',
  text: 'text?',
  'text?': 'text?',
  bytes: 'bytes?',
  'bytes?': 'bytes?',
}

/** Bytes that the engine compresses when it writes them; see store/engine/compression. */
export const compressedColumn = (
  column: string,
  personalData: Extract<PersonalData, 'mail' | 'composition'>,
): ColumnMapping<Uint8Array> => ({ ...bytesColumn(column, personalData), isCompressed: true })

/** The same column, or null. */
export function nullableColumn<V>(field: ColumnMapping<V>): ColumnMapping<V | null> {
  return {
    column: field.column,
    type: NULLABLE_TYPES[field.type],
    personalData: field.personalData,
    encode: (value) => (value === null ? null : field.encode(value)),
    decode: (value) => (value === null ? null : field.decode(value)),
  }
}

function throwUnexpectedValue(column: string, value: SqlValue): never {
  throw unexpectedValueFault(column, value)
}

/** Decodes hex. Throws Fault internal for text that is not hex: a truncated id would be another id. */
export function hexToBytes(value: string): Uint8Array {
  const bytes = Buffer.from(value, 'hex')
  if (bytes.length * 2 !== value.length) throw new Fault('internal', `"${value.slice(0, 80)}" is not hex`)
  return bytes
}

export function bytesToHex(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
}

export function uuidToBytes(value: string): Uint8Array {
  const bytes = Buffer.from(value.replaceAll('-', ''), 'hex')
  if (value !== '' && (bytes.length !== 16 || value.length !== 36)) throw new Fault('internal', `"${value.slice(0, 80)}" is not a UUID`)
  return bytes
}

export function bytesToUuid(value: Uint8Array): string {
  const digits = bytesToHex(value)
  if (digits === '') return ''
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join('-')
}

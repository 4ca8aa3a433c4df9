/**
 * mapping - how a value of the core lies in a table: which field in which column, and how it is written there
 *
 * A shape is a record of fields, one for each key of the value's type, so that the compiler says when the core has grown a field that
 * no column keeps. Ids and digests are hex (or UUIDs) in the core and bytes in the store; booleans are 0 and 1; lists and records are JSON.
 *
 * See also: store/engine/table (the description that a shape makes), store/schema (the shapes).
 */
import { Fault } from '../../errors.ts'
import type { ColumnType, PersonalData, Table } from './table.ts'
import type { SqlRow, SqlValue } from './value.ts'

export type ColumnMapping<V> = {
  readonly column: string
  readonly type: ColumnType
  readonly personalData: PersonalData
  /** The engine packs the bytes as it writes them: what is decoded is packed. */
  readonly isCompressed?: true
  readonly encode: (value: V) => SqlValue
  readonly decode: (value: SqlValue) => V
}

export type TableMapping<R> = {
  readonly table: Table
  readonly encode: (row: R) => Readonly<Record<string, SqlValue>>
  /** As `encode`, onto the end of a list: the values alone, in the order of the columns. */
  readonly encodeInto: (row: R, into: SqlValue[]) => void
  readonly decode: (row: SqlRow) => R
  /** The columns as a select list behind a table's alias. */
  readonly columns: (alias: string) => string
  /** A part of it, for long walks that need no more: to be read, not to be written. */
  readonly pick: <K extends keyof R>(names: readonly K[]) => Pick<TableMapping<Pick<R, K>>, 'columns' | 'decode'>
}

/** A shape out of a table's name, its key's columns and a field for each key of R. */
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
        if (value === undefined) throw new Fault('internal', `${table.name}.${field.column} is missing in what the store gave back`)
        decoded[name] = field.decode(value)
      }
      // The checked door: `fields` names every key of R, and each decoder has checked its value.
      return decoded as R
    },
    columns: (alias) => entries.map(([, field]) => `${alias}.${field.column}`).join(', '),
    pick<K extends keyof R>(names: readonly K[]) {
      // The checked door: of a record of fields for R those for K.
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
  return new Fault('internal', `the store gave back a ${value === null ? 'null' : typeof value} in the column ${column}`)
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

/** A name of a closed list; only our own code writes it, from the same type. */
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

/** A number of a closed list, as {@link textEnumColumn}. */
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

/** JSON that our own code wrote. */
export function jsonColumn<V>(column: string, personalData: Extract<PersonalData, 'none' | 'json' | 'fact'>): ColumnMapping<V> {
  return {
    column,
    type: 'text',
    personalData,
    encode: (value) => JSON.stringify(value),
    decode: (value) => (typeof value === 'string' ? (JSON.parse(value) as V) : throwUnexpectedValue(column, value)),
  }
}

/** Lower-case hex in the core. */
export function hexColumn(column: string): ColumnMapping<string> {
  return {
    column,
    type: 'bytes',
    personalData: 'none',
    encode: (value) => hexToBytes(value),
    decode: (value) => (value instanceof Uint8Array ? bytesToHex(value) : throwUnexpectedValue(column, value)),
  }
}

/** A UUID in lower-case hex with dashes; '' is an empty value. */
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

/** Bytes that the engine packs as it writes them; see store/engine/compression. */
export const compressedColumn = (
  column: string,
  personalData: Extract<PersonalData, 'mail' | 'composition'>,
): ColumnMapping<Uint8Array> => ({ ...bytesColumn(column, personalData), isCompressed: true })

/** The same field, or null. */
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

/** Bytes of hex. Throws Fault internal for what is no hex: a cut id would quietly be another one. */
export function hexToBytes(value: string): Uint8Array {
  const bytes = Buffer.from(value, 'hex')
  if (bytes.length * 2 !== value.length) throw new Fault('internal', `"${value.slice(0, 80)}" is no hex`)
  return bytes
}

export function bytesToHex(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
}

export function uuidToBytes(value: string): Uint8Array {
  const bytes = Buffer.from(value.replaceAll('-', ''), 'hex')
  if (value !== '' && (bytes.length !== 16 || value.length !== 36)) throw new Fault('internal', `"${value.slice(0, 80)}" is no UUID`)
  return bytes
}

export function bytesToUuid(value: Uint8Array): string {
  const digits = bytesToHex(value)
  if (digits === '') return ''
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join('-')
}

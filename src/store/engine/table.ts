/**
 * table - a table as data: its columns with their types, and its key
 *
 * One description serves the arrays that PostgreSQL takes and the statements of both engines. A test holds it against the schema
 * that the migrations really make.
 *
 * See also: store/engine/mapping (which makes it), store/engine/engine (who uses it).
 */

/** A question mark: the column may be null. */
export type ColumnType = 'int' | 'int?' | 'text' | 'text?' | 'bytes' | 'bytes?'

export type Table = {
  readonly name: string
  readonly columns: Readonly<Record<string, ColumnType>>
  /** Positions of the columns whose bytes the engine packs. */
  readonly compressedPositions: readonly number[]
  /** The primary key, in its order. */
  readonly key: readonly string[]
}

/** The type without its question mark. */
export function baseType(type: ColumnType): 'int' | 'text' | 'bytes' {
  return type.startsWith('int') ? 'int' : type.startsWith('text') ? 'text' : 'bytes'
}

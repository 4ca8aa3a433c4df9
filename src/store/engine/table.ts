/**
 * table - the description of a table: its columns with their types, and its key
 *
 * Both engines build their statements from it, and an erasure its searches. A test compares it with the schema that the migrations
 * create.
 *
 * See also: store/engine/mapping (which creates it), store/tables (all tables).
 */

/** `?`: the column may be null. */
export type ColumnType = 'int' | 'int?' | 'text' | 'text?' | 'bytes' | 'bytes?'

/**
 * What a column may hold of the person behind an address, and how an erasure treats it:
 * - `none`: nothing. Ids, domains, names that an account or an operator chose, secrets under a seal.
 * - `address`: one address. An erased one becomes null, or '' where the column does not allow null.
 * - `text`: text that may quote an address. Each occurrence is replaced.
 * - `json`: JSON whose strings may quote an address. Each occurrence is replaced.
 * - `fact`: the data of a fact (ledger/decide/redact). Its delivery is folded again.
 * - `owner`: the row is about this address and is removed with it.
 * - `mail`: a mail, compressed. A row whose mail names the address is removed.
 * - `composition`: a composition (compose/composition), compressed. Each occurrence is replaced.
 * - `file`: a part of an exported file. The export expires.
 */
export type PersonalData = 'none' | 'address' | 'text' | 'json' | 'fact' | 'owner' | 'mail' | 'composition' | 'file'

export type Table = {
  readonly name: string
  readonly columns: Readonly<Record<string, ColumnType>>
  /** One description for each column. */
  readonly personalData: Readonly<Record<string, PersonalData>>
  /** Positions of the columns whose bytes the engine compresses. */
  readonly compressedPositions: readonly number[]
  /** The columns of the primary key, in order. */
  readonly key: readonly string[]
}

/** The type without its question mark. */
export function baseType(type: ColumnType): 'int' | 'text' | 'bytes' {
  return type.startsWith('int') ? 'int' : type.startsWith('text') ? 'text' : 'bytes'
}

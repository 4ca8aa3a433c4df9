/**
 * redact-row - a stored row without an address, by the descriptions of its columns
 *
 * The descriptions (store/engine/table, PersonalData) say which columns may quote an address and in which form. Keys, hashes and every
 * other column stay as they are.
 *
 * Pure. See also: store/erasure/mentions (which writes the rows), ledger/decide/redact (the text and the facts).
 */
import { normaliseAddress } from '../../correlate/address-hash.ts'
import { containsAddress, redactAddress, redactText } from '../../ledger/decide/redact.ts'
import type { TableMapping } from '../engine/mapping.ts'
import type { PersonalData, Table } from '../engine/table.ts'
import type { SqlRow, SqlValue } from '../engine/value.ts'

/** Redacts every column of a row. An entry whose only address it was keeps answering by its hash. */
export function redactRow<R>(mapping: TableMapping<R>, row: R, address: string): R {
  const cells = Object.entries(mapping.encode(row)).map(([column, cell]) => [column, redactCell(mapping.table, column, cell, address)])
  return mapping.decode(Object.fromEntries(cells) as SqlRow) // Checked cast: the same columns with values of the same types.
}

/** Redacts one value of a text column. Other values are returned as they are. */
export function redactCell(table: Table, column: string, cell: SqlValue, address: string): SqlValue {
  if (typeof cell !== 'string') return cell
  switch (table.personalData[column]) {
    case 'address':
      if (!isSameAddress(cell, address)) return redactAddress(cell, address)
      return table.columns[column]?.endsWith('?') === true ? null : ''
    case 'text':
    case 'owner':
      return redactAddress(cell, address)
    case 'json':
      return JSON.stringify(redactText(JSON.parse(cell), address))
    default:
      return cell
  }
}

/** Whether a value of a text column quotes the address. JSON is read, since it escapes quotes. */
export function isMention(content: PersonalData | undefined, cell: SqlValue | undefined, address: string): boolean {
  if (typeof cell !== 'string') return false
  return containsAddress(content === 'json' || content === 'fact' ? stringsOf(JSON.parse(cell)).join('\n') : cell, address)
}

/** Every string of a JSON value, names of members included. */
export function stringsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  return value === null || typeof value !== 'object' ? [] : Object.entries(value).flatMap(([name, each]) => [name, ...stringsOf(each)])
}

const isSameAddress = (text: string, address: string): boolean => normaliseAddress(text)?.address === address

/**
 * mentions - the rows of any table that quote an address: found, and written back without it
 *
 * Works on every table of store/tables by the descriptions of its columns. A step reads a bounded number of rows in the order of the
 * primary key, so that no read is long. A row is read again in the transaction that rewrites it.
 *
 * See also: store/erasure/redact-row, store/engine/table (PersonalData), service/admin/erase.
 */
import type { Database, DatabaseReader } from '../engine/engine.ts'
import type { PersonalData, Table } from '../engine/table.ts'
import type { SqlRow, SqlValue } from '../engine/value.ts'
import { removeForwardedMail } from '../mail/forwarded-mails.ts'
import { removeMailBodyForOperator } from '../mail/mail-bodies.ts'
import { removeQueuedMessagesForOperator } from '../queue/queued-mail.ts'
import { isMention, redactCell } from './redact-row.ts'

/** The values of a primary key, in its order. */
export type RowKey = readonly SqlValue[]

type ScanPage = { readonly after: RowKey | null; readonly limit: number }

/** Kinds of personal data that a statement can search. */
const TEXT_CONTENTS: readonly PersonalData[] = ['address', 'text', 'json', 'owner']

/** The columns of a table whose text may quote an address. */
export const textColumnsOf = (table: Table): readonly string[] => columnsOf(table, TEXT_CONTENTS)

/** The columns of a table that hold one of these kinds of personal data. */
export function columnsOf(table: Table, contents: readonly PersonalData[]): readonly string[] {
  return Object.keys(table.columns).filter((column) => contents.includes(table.personalData[column] ?? 'none'))
}

/** A local part that JSON does not escape and that both engines' `lower()` folds. */
const PLAIN_LOCAL_PART = /^[a-z0-9!#$%&'*+/=?^_`{|}~.-]+@/

/** The part of an address that every quotation of it contains, whatever the letter case and the escapes of JSON. */
const searchedPartOf = (address: string): string => (PLAIN_LOCAL_PART.test(address) ? address : address.slice(address.lastIndexOf('@')))

/**
 * One step through a table: the keys of the rows of a page in which one of `columns` quotes the address, and the key behind which the
 * next page begins (null: this was the last page).
 */
export async function scanMentionsForOperator(
  reader: DatabaseReader,
  table: Table,
  search: { readonly columns: readonly string[]; readonly address: string },
  page: ScanPage,
): Promise<{ readonly rows: readonly SqlRow[]; readonly next: RowKey | null }> {
  const { columns, address } = search
  const next = await findPageEnd(reader, table, page)
  const key = table.key.map((name) => `p.${name}`).join(', ')
  const { where, params } = afterKey(table, page.after)
  const pattern = `$${params.length + 2}`
  const conditions = columns.map((name) => `lower(t.${name}) like ${pattern} escape '\\'`).join(' or ')
  const names = [...table.key, ...columns]
  const sql = `select ${names.map((name) => `t.${name}`).join(', ')} from (
    select ${names.map((name) => `p.${name}`).join(', ')} from ${table.name} p ${where} order by ${key} limit $${params.length + 1}
  ) t where ${conditions}`
  const like = `%${searchedPartOf(address).replace(/[\\%_]/g, '\\$&')}%`
  const found = await reader.all(sql, [...params, page.limit, like])
  const rows = found.filter((row) => columns.some((name) => isMention(table.personalData[name], row[name], address)))
  return { rows, next }
}

/** One page of a column of bytes: the keys with the bytes, and the key behind which the next page begins. */
export async function scanBytesForOperator(
  reader: DatabaseReader,
  table: Table,
  column: string,
  page: ScanPage,
): Promise<{ readonly rows: readonly { readonly key: RowKey; readonly bytes: Uint8Array }[]; readonly next: RowKey | null }> {
  const key = table.key.map((name) => `p.${name}`).join(', ')
  const { where, params } = afterKey(table, page.after)
  const sql = `select ${key}, p.${column} from ${table.name} p ${where} order by ${key} limit $${params.length + 1}`
  const found = await reader.all(sql, [...params, page.limit])
  const last = found.at(-1)
  const rows = found.flatMap((row) => {
    const bytes = row[column]
    return bytes instanceof Uint8Array ? [{ key: keyOf(table, row), bytes }] : []
  })
  return { rows, next: last === undefined || found.length < page.limit ? null : keyOf(table, last) }
}

async function findPageEnd(reader: DatabaseReader, table: Table, { after, limit }: ScanPage): Promise<RowKey | null> {
  const key = table.key.map((name) => `p.${name}`).join(', ')
  const { where, params } = afterKey(table, after)
  const sql = `select ${key} from ${table.name} p ${where} order by ${key} limit 1 offset $${params.length + 1}`
  const last = await reader.one(sql, [...params, limit - 1])
  return last === null ? null : keyOf(table, last)
}

function afterKey(table: Table, after: RowKey | null): { readonly where: string; readonly params: readonly SqlValue[] } {
  if (after === null) return { where: '', params: [] }
  const key = table.key.map((name) => `p.${name}`).join(', ')
  return { where: `where (${key}) > (${after.map((_, i) => `$${i + 1}`).join(', ')})`, params: after }
}

export const keyOf = (table: Table, row: SqlRow): RowKey => table.key.map((name) => row[name] ?? null)

/**
 * Writes rows back without the address, or removes those that are about it (`owner`). Returns how many were removed. Idempotent.
 * Run it in a transaction: each row is locked and read again.
 */
export async function eraseMentionsForOperator(db: Database, table: Table, keys: readonly RowKey[], address: string): Promise<number> {
  const columns = textColumnsOf(table)
  const sql = `select ${[...table.key, ...columns].map((name) => `t.${name}`).join(', ')} from ${table.name} t
    where ${keyCondition(table, 't.')} {lock t}`
  let removed = 0
  for (const key of keys) {
    const row = await db.one(sql, key)
    if (row === null) continue
    const owned = columns.some((name) => table.personalData[name] === 'owner' && isMention('owner', row[name], address))
    if (owned) removed += await removeRow(db, table, key)
    else await rewriteRow(db, table, row, address)
  }
  return removed
}

/** Removes rows by their keys; how many were there. What belongs to a row is removed with it. */
export async function removeRowsForOperator(db: Database, table: Table, keys: readonly RowKey[]): Promise<number> {
  let removed = 0
  for (const key of keys) removed += await removeRow(db, table, key)
  return removed
}

/** Replaces the bytes of one column; whether the row was there. */
export async function overwriteBytesForOperator(
  db: Database,
  table: Table,
  column: string,
  row: { readonly key: RowKey; readonly bytes: Uint8Array },
): Promise<boolean> {
  const sql = `update ${table.name} set ${column} = $${row.key.length + 1} where ${keyCondition(table)}`
  return (await db.run(sql, [...row.key, row.bytes])) > 0
}

/** Tables whose rows need, or are needed by, rows of other tables. */
const REMOVALS: Readonly<Record<string, (db: Database, key: RowKey) => Promise<number>>> = {
  // The body of a queued message counts the messages that need it.
  queue_mails: (db, [account, deliveryId, deliveryMonth]) =>
    removeQueuedMessagesForOperator(db, [
      { account: Number(account), deliveryId: String(deliveryId), deliveryMonth: Number(deliveryMonth) },
    ]),
  route_mails: (db, [account, digest]) => removeForwardedMail(db, Number(account), bytesOf(digest)),
  mail_bodies: (db, [content]) => removeMailBodyForOperator(db, bytesOf(content)),
}

const bytesOf = (value: SqlValue | undefined): Uint8Array => (value instanceof Uint8Array ? value : new Uint8Array(0))

async function removeRow(db: Database, table: Table, key: RowKey): Promise<number> {
  const remove = REMOVALS[table.name]
  return remove === undefined ? db.run(`delete from ${table.name} where ${keyCondition(table)}`, key) : remove(db, key)
}

async function rewriteRow(db: Database, table: Table, row: SqlRow, address: string): Promise<void> {
  const changed = textColumnsOf(table).filter((name) => isMention(table.personalData[name], row[name], address))
  if (changed.length === 0) return
  const key = keyOf(table, row)
  const sets = changed.map((name, i) => `${name} = $${key.length + i + 1}`).join(', ')
  const cells = changed.map((name) => redactCell(table, name, row[name] ?? null, address))
  await db.run(`update ${table.name} set ${sets} where ${keyCondition(table)}`, [...key, ...cells])
}

const keyCondition = (table: Table, alias = ''): string => table.key.map((name, i) => `${alias}${name} = $${i + 1}`).join(' and ')

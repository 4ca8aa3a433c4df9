/**
 * fill - fills a SQLite store with copies of one delivery that the daemon registered
 *
 * Writes rows directly, without facts: use it for figures that depend on the size of the store, not on its consistency. Indexes are created after the rows,
 * which costs a fifth. Of a hundred copies, two are invalid and on the bounce list, and one is a soft bounce. Requests are spread evenly over the 28 days
 * before the copied one.
 */
import { hash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { formatDeliveryId, parseDeliveryId } from '../src/correlate/delivery-id.ts'
import { hashAddress } from '../src/correlate/address-hash.ts'

/** The first number of the copies, far above the numbers that the daemon allocates in a measurement. */
const FIRST_SEQUENCE = 1_000_000_000
const SPAN_MS = 28 * 86_400_000
/** Rows of one insert statement. */
const PAGE = 100_000

const COPY_COLUMNS: Readonly<Record<string, string>> = {
  delivery_id: 'fill_id(n)',
  email_id: "'fill' || n || 'x0$fill-' || n || '@example.org'",
  message_id: "'fill' || n || 'x'",
  message_id_header: "'fill-' || n || '@example.com'",
  recipient: "'fill-' || n || '@example.org'",
  address_hash: 'fill_hash(n)',
  requested_at: `t.requested_at - cast(${SPAN_MS} * (1.0 - 1.0 * n / total) as integer)`,
  request_ip: "'192.0.2.' || (n % 4)",
  egress_ip: "'198.51.100.' || (n % 8)",
  status: 'case when n % 50 = 0 then 4 when n % 100 = 1 then 5 else 1 end',
  sub_status: 'case when n % 50 = 0 then 406 when n % 100 = 1 then 508 end',
  reason: "case when n % 50 = 0 then 'not-exist' when n % 100 = 1 then 'mailbox-full' end",
  fault: "case when n % 50 = 0 then 'recipient' when n % 100 = 1 then 'mailbox' end",
}

const INSERT_SUPPRESSION = `insert into suppressions (account_id, list, address_hash, scope, address, domain, is_domain, n, change, from_at, until_at,
    removed_at, pending, reason, rule, site, delivery_id, proof, unsubscribe_type, api_user, label_id, fact_id)
  select t.account_id, 'bounce', fill_hash(n), '', 'fill-' || n || '@example.org', 'example.org', 0, 1, 1, t.requested_at, null,
    null, 0, 'not-exist', null, null, fill_id(n), 'token', null, t.api_user, null, x'' from numbers join template t where n % 50 = 0`

/** Adds `count` copies of the newest delivery. The daemon must not run. */
export function copyDeliveries(file: string, count: number): void {
  const database = new DatabaseSync(file)
  // A database in WAL mode changes to `delete` first.
  for (const pragma of ['journal_mode = delete', 'journal_mode = off']) database.exec(`pragma ${pragma}`)
  const row = database.prepare('select delivery_id from deliveries order by delivery_id desc limit 1').get()
  const parts = parseDeliveryId(String(row?.['delivery_id']))
  if (parts === null) throw new Error('there is no delivery to copy')
  const numberOf = (n: unknown): number => Number(n)
  database.function('fill_id', { deterministic: true }, (n) => formatDeliveryId({ ...parts, sequence: FIRST_SEQUENCE + numberOf(n) }) ?? '')
  database.function('fill_hash', { deterministic: true }, (n) => Buffer.from(hashOf(`fill-${numberOf(n)}@example.org`), 'hex'))
  copyRow(database, { table: 'deliveries', columns: COPY_COLUMNS, count, andThen: INSERT_SUPPRESSION })
  database.close()
}

type Copies = {
  readonly table: string
  /** The columns in which copies differ, as SQL: `n` is the number of the copy, `total` their number, and `t` the copied row. */
  readonly columns: Readonly<Record<string, string>>
  readonly count: number
  /** A statement for each page: its `select` gets the numbers of the page. */
  readonly andThen?: string
}

/** Adds copies of the row of a table with the highest key, without its indexes, which are made again afterwards. */
export function copyRow(database: DatabaseSync, { table, columns, count, andThen }: Copies): void {
  for (const pragma of ['synchronous = off', 'cache_size = -262144', 'threads = 2']) database.exec(`pragma ${pragma}`)
  database.exec(`create temp table template as select * from ${table} order by delivery_id desc limit 1`)
  const row = database.prepare('select * from template').get()
  if (row === undefined) throw new Error(`there is nothing in ${table} to copy`)
  const indexes = database
    .prepare("select name, sql from sqlite_master where type = 'index' and tbl_name = ? and sql is not null")
    .all(table)
  for (const { name } of indexes) database.exec(`drop index ${String(name)}`)
  const names = Object.keys(row)
  const values = names.map((name) => columns[name] ?? `t.${name}`)
  for (let from = 0; from < count; from += PAGE) {
    const to = Math.min(count, from + PAGE)
    const numbers = `with recursive numbers(n, total) as (select ${from}, ${count} union all select n + 1, total from numbers where n + 1 < ${to})`
    database.exec('begin')
    database.exec(`insert into ${table} (${names.join(', ')}) ${numbers} select ${values.join(', ')} from numbers join template t`)
    if (andThen !== undefined) database.exec(andThen.replace('\n  select', `\n  ${numbers} select`))
    database.exec('commit')
  }
  for (const { sql } of indexes) database.exec(String(sql))
  database.exec('drop table template')
}

/** The emailIds of some copies, evenly spread. */
export function copiedEmailIds(count: number, wanted: number): readonly string[] {
  const every = Math.max(1, Math.floor(count / wanted))
  return Array.from({ length: Math.min(count, wanted) }, (_, n) => `fill${n * every}x0$fill-${n * every}@example.org`)
}

/** The hash of an address, by which lists and deliveries are found. */
export const hashOf = (address: string): string => hashAddress(address) ?? hash('sha256', address)

/**
 * fill - many deliveries in a SQLite store at once, copied from one that the daemon registered
 *
 * Straight into the table, without facts: for figures that depend on how much there is, never for what it adds up to.
 */
import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { formatDeliveryId, parseDeliveryId } from '../src/correlate/deliveryid.ts'

/** Where the copies' numbers begin: far above what the daemon gives in a measurement. */
const FIRST = 1_000_000_000

/** Adds `count` copies of the newest delivery; the emailIds of some of them, evenly spread. The daemon must be down. */
export function fill(file: string, count: number, wanted: number): readonly string[] {
  const database = new DatabaseSync(file)
  database.exec('pragma synchronous = off')
  const row = database.prepare('select * from deliveries order by delivery_id desc limit 1').get()
  const parts = parseDeliveryId(String(row?.['delivery_id']))
  if (row === undefined || parts === null) throw new Error('there is no delivery to copy')
  const names = Object.keys(row)
  const insert = database.prepare(`insert into deliveries (${names.join(', ')}) values (${names.map((_, n) => `?${n + 1}`).join(', ')})`)
  const picked: string[] = []
  database.exec('begin')
  for (let n = 0; n < count; n++) {
    const recipient = `fill-${n}@example.org`
    const emailId = `fill${n}x0$${recipient}`
    const own: Readonly<Record<string, string | Uint8Array>> = {
      delivery_id: formatDeliveryId({ ...parts, sequence: FIRST + n }) ?? '',
      email_id: emailId,
      message_id: `fill${n}x`,
      message_id_header: `fill-${n}@example.com`,
      recipient,
      address_hash: createHash('sha256').update(recipient).digest(),
    }
    insert.run(...names.map((name) => own[name] ?? row[name] ?? null))
    if (n % Math.ceil(count / wanted) === 0) picked.push(emailId)
    if (n % 50_000 === 49_999) database.exec('commit; begin')
  }
  database.exec('commit; pragma wal_checkpoint(truncate)')
  database.close()
  return picked
}

/**
 * queued - fills the queue of a SQLite store with copies of one mail that the daemon accepted
 *
 * Writes rows directly, without facts: use it for figures that depend on the size of the queue, not on its consistency. See also: bench/drain, bench/fill.
 */
import { DatabaseSync } from 'node:sqlite'
import { formatDeliveryId, parseDeliveryId } from '../src/correlate/delivery-id.ts'
import { copyRow, hashOf } from './fill.ts'

const DOMAINS = 200
const DOMAIN = `'d' || (n % ${DOMAINS}) || '.example.net'`

/** The first number of the copies, above the numbers that the daemon allocates. */
const FIRST_SEQUENCE = 1_000_000

/** Adds copies of the queued mail, with its body, to 200 domains, until the queue holds `size` mails. */
export function copyQueuedMails(file: string, size: number): void {
  const database = new DatabaseSync(file)
  const parts = parseDeliveryId(String(database.prepare('select delivery_id from queue_mails').get()?.['delivery_id']))
  if (parts === null) throw new Error('there is no queued mail to copy')
  database.function('fill_id', { deterministic: true }, (n) => formatDeliveryId({ ...parts, sequence: FIRST_SEQUENCE + Number(n) }) ?? '')
  database.function('fill_hash', { deterministic: true }, (address) => Buffer.from(hashOf(String(address)), 'hex'))
  const now = Date.now()
  const recipient = `'user-' || n || '@' || ${DOMAIN}`
  const columns = { delivery_id: 'fill_id(n)', domain: DOMAIN, recipient }
  const unique = {
    email_id: `fill_id(n) || 'm0$' || ${recipient}`,
    message_id: "fill_id(n) || 'm'",
    message_id_header: "fill_id(n) || '@example.org'",
    address_hash: `fill_hash(${recipient})`,
    requested_at: String(now),
  }
  copyRow(database, { table: 'deliveries', columns: { ...columns, ...unique }, count: size - 1 })
  copyRow(database, { table: 'queue_mails', columns: { ...columns, accepted_at: `${now} + n / 1000`, fresh: '0' }, count: size - 1 })
  database.exec(`update queue_bodies set mails = ${Math.trunc(size)}`)
  database.close()
}

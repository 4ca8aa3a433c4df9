/**
 * queued - fills the queue of a SQLite store with copies of one mail that the daemon accepted
 *
 * Writes rows directly, without facts: use it for figures that depend on the size of the queue, not on its consistency. See also: bench/drain.
 */
import { DatabaseSync } from 'node:sqlite'
import { formatDeliveryId, monthOfDelivery, parseDeliveryId } from '../src/correlate/delivery-id.ts'

const DOMAINS = 200

/** The first number of the copies, above the numbers that the daemon allocates. */
const FIRST_SEQUENCE = 1_000_000

type Row = Readonly<Record<string, null | number | string | Uint8Array>>

/** Adds `count` copies of the queued mail, with its body, to 200 domains. */
export function copyQueuedMails(file: string, size: number): void {
  const database = new DatabaseSync(file)
  database.exec('pragma synchronous = off')
  const firstRow = (table: string): Row => {
    const row = database.prepare(`select * from ${table}`).get()
    if (row === undefined) throw new Error(`there is nothing in ${table} to copy`)
    // Checked cast: node:sqlite returns these types for our columns.
    return row as Row
  }
  const inserter = (table: string): ((values: Row) => void) => {
    const template = firstRow(table)
    const names = Object.keys(template)
    const statement = database.prepare(`insert into ${table} (${names.join(', ')}) values (${names.map((_, n) => `?${n + 1}`).join(', ')})`)
    return (values) => void statement.run(...names.map((name) => values[name] ?? template[name] ?? null))
  }
  const [addDelivery, addMail] = [inserter('deliveries'), inserter('queue_mails')]
  const parts = parseDeliveryId(String(firstRow('queue_mails')['delivery_id']))
  if (parts === null) throw new Error('the mail has no delivery id')
  const now = Date.now()
  const month = monthOfDelivery(String(firstRow('queue_mails')['delivery_id']))
  database.exec('begin')
  for (let n = 1; n < size; n++) {
    const id = formatDeliveryId({ ...parts, sequence: FIRST_SEQUENCE + n }) ?? ''
    const [domain, recipient] = [`d${n % DOMAINS}.example.net`, `user-${n}@d${n % DOMAINS}.example.net`]
    const values = { delivery_id: id, delivery_month: month, domain, recipient }
    addDelivery({
      ...values,
      email_id: `${id}m0$${recipient}`,
      message_id: `${id}m`,
      message_id_header: `${id}@example.org`,
      requested_at: now,
    })
    addMail({ ...values, accepted_at: now + Math.floor(n / 1_000), fresh: 0 })
    if (n % 50_000 === 0) database.exec('commit; begin')
  }
  database.exec(`update queue_bodies set mails = ${Math.trunc(size)}; commit`)
  database.close()
}

/**
 * look - queries for tests that the daemon does not need
 */
import type { DeliveryRow } from '../../src/ledger/project/state.ts'
import type { Fact } from '../../src/ledger/facts/fact.ts'
import { decodeFact, findFactsBySubject } from '../../src/store/facts/facts.ts'
import { LIST_FACTS } from '../../src/store/schema.ts'
import { findDeliveriesByIds } from '../../src/store/mail/deliveries.ts'
import type { Engine, DatabaseReader } from '../../src/store/engine/engine.ts'

/** One delivery, or null. */
export async function findDelivery(reader: DatabaseReader, account: number, deliveryId: string): Promise<DeliveryRow | null> {
  return (await findDeliveriesByIds(reader, account, [deliveryId]))[0] ?? null
}

/** Counts queued mails, and those of them that are marked for an attempt. */
export async function countQueued(reader: DatabaseReader): Promise<{ readonly waiting: number; readonly dispatched: number }> {
  const row = await reader.one('select count(*) as waiting, count(q.dispatched_at) as dispatched from queue_mails q')
  return { waiting: Number(row?.['waiting'] ?? 0), dispatched: Number(row?.['dispatched'] ?? 0) }
}

/** The version of the newest migration of a store. */
export async function schemaVersion({ read }: Engine): Promise<number> {
  return Number((await read.one('select max(version) as version from migrations'))?.['version'] ?? 0)
}

/** The facts of one delivery and the list facts that it caused, oldest first. */
export async function readTimeline(reader: DatabaseReader, account: number, deliveryId: string): Promise<readonly Fact[]> {
  const sql = `select ${LIST_FACTS.columns('e')} from list_events e where e.account_id = $1 and e.delivery_id = $2`
  const facts = await findFactsBySubject(reader, [{ account, subject: deliveryId }])
  const entries = (await reader.all(sql, [account, deliveryId])).map(decodeFact)
  return [...facts, ...entries].toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
}

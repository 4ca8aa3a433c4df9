/**
 * look - what tests see of a store, where the daemon itself never asks
 */
import type { DeliveryRow } from '../../src/ledger/project/state.ts'
import { findDeliveriesByIds } from '../../src/store/mail/deliveries.ts'
import type { Engine, DatabaseReader } from '../../src/store/engine/engine.ts'

/** One delivery, or null. */
export async function findDelivery(reader: DatabaseReader, account: number, deliveryId: string): Promise<DeliveryRow | null> {
  return (await findDeliveriesByIds(reader, account, [deliveryId]))[0] ?? null
}

/** How many mails wait, and how many of them are about to be sent or were when a node died. */
export async function countQueued(reader: DatabaseReader): Promise<{ readonly waiting: number; readonly dispatched: number }> {
  const row = await reader.one('select count(*) as waiting, count(q.dispatched_at) as dispatched from queue_mails q')
  return { waiting: Number(row?.['waiting'] ?? 0), dispatched: Number(row?.['dispatched'] ?? 0) }
}

/** The number of the newest migration that a store holds. */
export async function schemaVersion({ read }: Engine): Promise<number> {
  return Number((await read.one('select max(version) as version from migrations'))?.['version'] ?? 0)
}

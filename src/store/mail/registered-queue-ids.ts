/**
 * registered-queue-ids - the ids that senders gave their mails at registration, by which a log may name them
 *
 * See also: service/submit/register, service/follow/delivery-finder.
 */
import type { Database } from '../engine/engine.ts'
import { createTableMapping, integerColumn, textColumn } from '../engine/mapping.ts'

export type RegisteredQueueId = {
  readonly queueId: string
  readonly account: number
  readonly deliveryId: string
  readonly registeredAt: number
}

export const REGISTERED_QUEUE_IDS = createTableMapping<RegisteredQueueId>(
  'registered_queue_ids',
  ['queue_id', 'account_id', 'delivery_id'],
  {
    queueId: textColumn('queue_id', 'none'),
    account: integerColumn('account_id'),
    deliveryId: textColumn('delivery_id', 'none'),
    registeredAt: integerColumn('registered_at'),
  },
)

export async function addRegisteredQueueIds(db: Database, rows: readonly RegisteredQueueId[]): Promise<void> {
  await db.insertMany(REGISTERED_QUEUE_IDS, rows, 'ignore')
}

const COLUMNS = REGISTERED_QUEUE_IDS.columns('r')

/** The deliveries of all accounts that were registered with one of these ids. */
export async function findRegisteredQueueIdsForOperator(db: Database, queueIds: readonly string[]): Promise<readonly RegisteredQueueId[]> {
  const rows = [...new Set(queueIds)].filter((id) => id !== '').map((id) => [id])
  const found = await db.inKeys(`select ${COLUMNS} from {keys} k cross join registered_queue_ids r where r.queue_id = k.k1`, {
    types: ['text'],
    rows,
  })
  return found.map(REGISTERED_QUEUE_IDS.decode)
}

/** Removes ids of mails that were registered before. Returns how many. */
export async function removeOldRegisteredQueueIdsForOperator(db: Database, before: number): Promise<number> {
  return db.run('delete from registered_queue_ids where registered_at < $1', [before])
}

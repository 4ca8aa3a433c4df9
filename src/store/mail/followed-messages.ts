/**
 * followed-messages - the mails in the queues of MTAs whose logs are followed
 *
 * No address is stored: senders are our own Return-Path addresses or a digest, recipients the hash that finds their delivery. A row is removed with
 * its queue id, or when its id was not named for a month.
 *
 * See also: mta-log/queue-join (what a row means).
 */
import type { MatchedDelivery, FollowedMessage } from '../../mta-log/queue-join.ts'
import type { Database } from '../engine/engine.ts'
import { createTableMapping, integerColumn, jsonColumn, nullableColumn, textColumn } from '../engine/mapping.ts'

export const FOLLOWED_MESSAGES = createTableMapping<FollowedMessage>('followed_messages', ['queue_id', 'host'], {
  queueId: textColumn('queue_id', 'none'),
  host: textColumn('host', 'none'),
  firstSeenAt: integerColumn('first_seen_at'),
  lastSeenAt: integerColumn('last_seen_at'),
  sender: nullableColumn(textColumn('sender', 'none')),
  earlierSenders: jsonColumn<readonly string[]>('earlier_senders', 'none'),
  messageIds: jsonColumn<readonly string[]>('message_ids', 'json'),
  recipientCount: nullableColumn(integerColumn('recipient_count')),
  open: jsonColumn<Readonly<Record<string, MatchedDelivery>>>('open', 'none'),
})

const COLUMNS = FOLLOWED_MESSAGES.columns('m')

/** The rows of these queue ids, at any host. */
export async function findFollowedMessagesForOperator(db: Database, queueIds: readonly string[]): Promise<readonly FollowedMessage[]> {
  const rows = [...new Set(queueIds)].filter((id) => id !== '').map((id) => [id])
  const found = await db.inKeys(`select ${COLUMNS} from {keys} k cross join followed_messages m where m.queue_id = k.k1`, {
    types: ['text'],
    rows,
  })
  return found.map(FOLLOWED_MESSAGES.decode)
}

type RowKey = Pick<FollowedMessage, 'queueId' | 'host'>

const byKey = (a: RowKey, b: RowKey): number => (a.queueId < b.queueId ? -1 : a.queueId > b.queueId ? 1 : a.host < b.host ? -1 : 1)

export async function saveFollowedMessagesForOperator(
  db: Database,
  { changed, removed }: { readonly changed: readonly FollowedMessage[]; readonly removed: readonly RowKey[] },
): Promise<void> {
  for (const { queueId, host } of removed.toSorted(byKey))
    await db.run('delete from followed_messages where queue_id = $1 and host = $2', [queueId, host])
  if (changed.length > 0) await db.upsertMany(FOLLOWED_MESSAGES, changed.toSorted(byKey))
}

/** Removes rows whose queue id was not named since. Returns how many. */
export async function removeOldFollowedMessagesForOperator(db: Database, before: number): Promise<number> {
  return db.run('delete from followed_messages where last_seen_at < $1', [before])
}

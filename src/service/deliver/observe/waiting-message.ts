/**
 * waiting-message - reads why one message waits
 *
 * The answer is as old as the last snapshot of its lane. Of replies to mail of other accounts, an account sees the code and the time only.
 *
 * See also: queue/observe/waiting-reason, http/api/messages (`why`), commands/queue/why.
 */
import { explainWaiting, type WaitingReason } from '../../../queue/observe/waiting-reason.ts'
import type { DatabaseReader } from '../../../store/engine/engine.ts'
import { listLaneSnapshots } from '../../../store/queue/lane-snapshots.ts'
import { findQueuedMessagesForOperator } from '../../../store/queue/queued-mail.ts'
import { mailRefOf } from '../mail-update.ts'
import { readDeliveryStatus } from '../queue-api.ts'

/** Null: the message is not in the queue. Faults: store_busy. */
export async function findWaitingReason(
  read: DatabaseReader,
  { account, deliveryId }: { readonly account: number; readonly deliveryId: string },
  now: number,
): Promise<WaitingReason | null> {
  const [message] = await findQueuedMessagesForOperator(read, [mailRefOf(account, deliveryId)])
  if (message === undefined) return null
  const [lanes, { delivering }] = await Promise.all([
    listLaneSnapshots(read, account, { domain: message.domain, after: null, limit: 1 }),
    readDeliveryStatus(read, now),
  ])
  return explainWaiting(message, lanes[0]?.status ?? null, { isDelivering: delivering, now })
}

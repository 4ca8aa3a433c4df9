/**
 * discard-queue - ends every message that waits in the delivery queue, without sending it
 *
 * After a restore, the queue holds messages that were sent after the backup was made. Run it while no daemon runs.
 *
 * See also: commands/store/restore, ledger/decide/deleted (the outcome).
 */
import { decideDeleted } from '../../ledger/decide/deleted.ts'
import { listQueuedMessagesForOperator, removeQueuedMessagesForOperator } from '../../store/queue/queued-mail.ts'
import { ALL_LANE_GROUPS } from '../../queue/lane-group.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'

const PAGE_ROWS = 200

/** Ends all queued messages as deleted. Returns how many. Idempotent. Faults: store_busy. */
export async function discardQueue(context: Context): Promise<number> {
  let discarded = 0
  for (;;) {
    const page = await listQueuedMessagesForOperator(context.engine.read, { groups: ALL_LANE_GROUPS, after: null, limit: PAGE_ROWS })
    if (page.length === 0) return discarded
    const snapshot = await context.accountCache.snapshot()
    discarded += await transact(context, { deliveries: page }, async ({ db, ledgerState, moment }) => {
      const facts = page.flatMap(({ account, deliveryId }) => {
        const delivery = ledgerState.deliveries.get(deliveryId)
        return delivery === undefined
          ? []
          : decideDeleted({ ledger: ledgerState, delivery, settings: snapshot.settingsOf(account), moment })
      })
      return { result: await removeQueuedMessagesForOperator(db, page), facts }
    })
  }
}

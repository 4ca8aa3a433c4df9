/**
 * commit-engagement - one transaction for a batch of opens and clicks
 *
 * See also: service/track/engagement-recorder (collects the batch), ledger/decide/engagement (the facts), service/transact.
 */
import { decideEngagement } from '../../ledger/decide/engagement.ts'
import { createFactBatch } from '../../ledger/facts/fact-batch.ts'
import type { Context } from '../context.ts'
import { transact } from '../transact.ts'
import type { EngagementRequest } from './engagement-service.ts'

/** Commits the facts of a batch. A request for a delivery that is not stored makes none. Faults: store_busy. */
export async function commitEngagement(context: Context, requests: readonly EngagementRequest[]): Promise<void> {
  const snapshot = await context.accountCache.snapshot()
  const deliveries = requests.map(({ account, deliveryId }) => ({ account, deliveryId }))
  const facts = await transact(context, { deliveries }, ({ ledgerState }) => {
    const batch = createFactBatch(ledgerState)
    for (const request of requests) {
      const delivery = ledgerState.deliveries.get(request.deliveryId)
      if (delivery === undefined || delivery.account !== request.account) continue
      const { receivedAt } = request
      const moment = { at: receivedAt, receivedAt, ids: context.ids }
      batch.add(decideEngagement({ ...request, delivery, settings: snapshot.settingsOf(request.account), moment }))
    }
    return { result: batch.facts, facts: batch.facts }
  })
  for (const { kind } of facts) context.telemetry.count('bounced_engagement_total', { kind })
}

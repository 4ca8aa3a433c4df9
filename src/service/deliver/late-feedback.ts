/**
 * late-feedback - passes bounces and complaints about messages that our own queue delivered to the node that delivers
 *
 * The transaction that records a report also writes a row. The node that holds the site takes the row and reports it to its queue, where it counts for the backoff class
 * list-quality. Only messages that left by an egress IP of ours count: messages that a sender delivers by other means are no evidence about our lanes.
 *
 * See also: store/queue/backoff-keys (rows), queue/schedule/attempt-result (applyLaterReport).
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import type { LedgerState } from '../../ledger/project/state.ts'
import { laneGroupOf } from '../../queue/lane-group.ts'
import { addQueuedFeedbackForOperator, type QueuedFeedback } from '../../store/queue/backoff-keys.ts'
import type { Database } from '../../store/engine/engine.ts'

/** Writes the rows for the new facts, in the transaction that saves them. `egressIps` undefined: this installation delivers nothing. */
export async function recordLateFeedback(
  db: Database,
  ledgerState: LedgerState,
  egressIps: ReadonlySet<string> | undefined,
): Promise<void> {
  if (egressIps === undefined) return
  const reports = ledgerState.newFacts.flatMap((fact): QueuedFeedback[] => {
    const kind = feedbackKindOf(fact)
    const delivery = fact.deliveryId === null ? undefined : ledgerState.deliveries.get(fact.deliveryId)
    const egressIp = delivery?.egressIp ?? null
    if (kind === null || delivery === undefined || egressIp === null || !egressIps.has(egressIp)) return []
    return [{ account: fact.account, id: fact.id, kind, at: fact.at, laneGroup: laneGroupOf(delivery.site ?? delivery.domain) }]
  })
  await addQueuedFeedbackForOperator(db, reports)
}

/** A permanent `not-exist` for the address that we sent to, or a complaint that led to a list entry. */
function feedbackKindOf(fact: Fact): QueuedFeedback['kind'] | null {
  if (fact.kind === 'complaint') return fact.data.listed ? 'complaint' : null
  if (fact.kind !== 'failed' || fact.data.source !== 'report') return null
  const { effect } = fact.data
  const isOurs = effect !== null && !effect.forwarded && !effect.weak
  return isOurs && effect.reason === 'not-exist' && effect.permanence === 'permanent' ? 'not-exist' : null
}

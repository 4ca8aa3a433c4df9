/**
 * late-feedback - what came back later about mail that our own queue delivered, put down for the node that delivers
 *
 * Whoever receives a report writes a row in the same transaction; the delivering node takes it and tells its queue, whose list-quality class
 * counts it. Only mail counts that left by an IP of ours: what a sender delivers himself says nothing about the queue's lanes.
 *
 * See also: store/queue/backoff-keys (rows), queue/schedule/attempt-result (report), spec pause (list-quality).
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import type { LedgerState } from '../../ledger/project/state.ts'
import { addQueuedFeedbackForOperator, type QueuedFeedback } from '../../store/queue/backoff-keys.ts'
import type { Database } from '../../store/engine/engine.ts'

/** Writes the rows of a world's new facts, in the transaction that saves it. `egressIps` undefined: nobody here delivers. */
export async function recordLateFeedback(
  db: Database,
  ledgerState: LedgerState,
  egressIps: ReadonlySet<string> | undefined,
): Promise<void> {
  if (egressIps === undefined) return
  const reports = ledgerState.newFacts.flatMap((fact): QueuedFeedback[] => {
    const kind = feedbackKindOf(fact)
    const egressIp = fact.deliveryId === null ? null : (ledgerState.deliveries.get(fact.deliveryId)?.egressIp ?? null)
    if (kind === null || egressIp === null || !egressIps.has(egressIp)) return []
    return [{ account: fact.account, id: fact.id, kind, at: fact.at }]
  })
  await addQueuedFeedbackForOperator(db, reports)
}

/** A permanent "no such user" of the address that we sent to, or a complaint that a list takes. */
function feedbackKindOf(fact: Fact): QueuedFeedback['kind'] | null {
  if (fact.kind === 'complaint') return fact.data.listed ? 'complaint' : null
  if (fact.kind !== 'failed' || fact.data.source !== 'report') return null
  const { effect } = fact.data
  const isOurs = effect !== null && !effect.forwarded && !effect.weak
  return isOurs && effect.reason === 'not-exist' && effect.permanence === 'permanent' ? 'not-exist' : null
}

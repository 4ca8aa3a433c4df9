/**
 * late-feedback - passes bounces and complaints about messages that our own queue delivered, and late results of attempts, to the node that delivers
 *
 * The transaction that records a report also writes a row. The node that holds the site reads the row and reports it to its queue, where it counts for the backoff class
 * list-quality; it removes the row in the transaction that writes what followed, so that no lost answer loses a report or counts it twice. Only messages that left by an egress IP of ours count: messages that a sender delivers by other means are no evidence about our lanes.
 *
 * A result is late if its node does not hold the site any more when it commits the outcome: the group has moved, or the node was silent and has lost its lease.
 *
 * See also: store/queue/backoff-keys (rows), queue/schedule/attempt-result (applyLaterReport), store/queue/late-results, queue/backoff/late-result.
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import type { LedgerState } from '../../ledger/project/state.ts'
import { laneGroupOf, type HeldGroups } from '../../queue/lane-group.ts'
import { applyLateResult, type LateResult } from '../../queue/backoff/late-result.ts'
import type { QueueEvent } from '../../queue/message.ts'
import type { Queue } from '../../queue/queue.ts'
import { applyLaterReport } from '../../queue/schedule/attempt-result.ts'
import { addQueuedFeedbackForOperator, listQueuedFeedbackForOperator, type QueuedFeedback } from '../../store/queue/backoff-keys.ts'
import { listLateResultsForOperator, type LateResultRow } from '../../store/queue/late-results.ts'
import { redactLocalParts } from '../../mail/redact-local-parts.ts'
import type { MailUpdate } from './mail-update.ts'
import type { Database, DatabaseReader } from '../../store/engine/engine.ts'

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

/** The rows of the results whose sites the node does not hold. */
export function lateResultsOf(updates: readonly MailUpdate[], held: HeldGroups): readonly LateResultRow[] {
  return updates.flatMap((update): LateResultRow[] => {
    if (update.kind !== 'attempted' || update.feedback === null) return []
    const laneGroup = laneGroupOf(update.feedback.to.site)
    if (held.has(laneGroup)) return []
    const { account, deliveryId } = update.ref
    return [{ account, deliveryId, dispatchedAt: update.dispatchedAt, laneGroup, data: JSON.stringify(storedForm(update.feedback)) }]
  })
}

/** As much of a reply as an episode keeps as evidence, without the address. */
const MAX_TEXT_CHARACTERS = 512

function storedForm({ to, result }: LateResult): Pick<LateResult, 'to' | 'result'> {
  const { account, domain, senderDomain, site, gateway, mxSet, egressIp } = to
  const hasText = result.kind === 'refused' || result.kind === 'unreachable'
  return {
    to: { account, domain, senderDomain, site, gateway, mxSet, egressIp },
    result: hasText ? { ...result, text: redactLocalParts(result.text.slice(0, MAX_TEXT_CHARACTERS)) } : result,
  }
}

/** What a queue has learnt, and the rows that it has learnt it from. */
type LearntFeedback = {
  readonly lateReports: readonly QueuedFeedback[]
  readonly lateResults: readonly LateResultRow[]
  readonly events: readonly QueueEvent[]
  /** The store may hold more. */
  readonly isFull: boolean
}

/** Rows of one poll: a longer transaction would block every other writer. */
const MAX_LATE_ROWS = 500

/** Reads what waits for the held groups and passes it to the queue. The caller removes the rows with the effects of the events. Faults: store_busy. */
export async function learnLateFeedback(reader: DatabaseReader, queue: Queue, held: HeldGroups, now: number): Promise<LearntFeedback> {
  const [lateReports, lateResults] = await Promise.all([
    listQueuedFeedbackForOperator(reader, held, MAX_LATE_ROWS),
    listLateResultsForOperator(reader, held, MAX_LATE_ROWS),
  ])
  const events = [
    ...lateResults.flatMap((row) => applyLateResult(queue, readLateResult(row), now)),
    ...lateReports.flatMap(({ kind, account }) => applyLaterReport(queue, { kind, account }, now)),
  ]
  return { lateReports, lateResults, events, isFull: Math.max(lateReports.length, lateResults.length) === MAX_LATE_ROWS }
}

/** Reads a row. Checked cast: only lateResultsOf writes the data. */
function readLateResult({ deliveryId, dispatchedAt, data }: LateResultRow): LateResult {
  return { ...(JSON.parse(data) as Pick<LateResult, 'to' | 'result'>), mailId: deliveryId, dispatchedAt }
}

/** A permanent `not-exist` for the address that we sent to, or a complaint that led to a list entry. */
function feedbackKindOf(fact: Fact): QueuedFeedback['kind'] | null {
  if (fact.kind === 'complaint') return fact.data.listed ? 'complaint' : null
  if (fact.kind !== 'failed' || fact.data.source !== 'report') return null
  const { effect } = fact.data
  const isOurs = effect !== null && !effect.forwarded && !effect.weak
  return isOurs && effect.reason === 'not-exist' && effect.permanence === 'permanent' ? 'not-exist' : null
}

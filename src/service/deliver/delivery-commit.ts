/**
 * delivery-commit - what a term has collected, and what is about to be sent, in one durable transaction
 *
 * The order inside: what was answered is decided and written (facts, projections, outbox) and its rows are removed or put back; keys that
 * moved are told and saved; orders are settled; at last, and only while the lease is ours, what is about to begin is marked. So a mail's
 * next attempt is never marked before its last one is written down, and nobody sends who has lost the lease.
 *
 * May run again from its start: it changes nothing outside the store. See also: service/deliver/delivery-session, service/deliver/deliverer, ledger/decide/attempt.
 */
import { decideAttempt, decideGiveUp } from '../../ledger/decide/attempt.ts'
import { decideDeleted } from '../../ledger/decide/deleted.ts'
import { summariseVerdict } from '../../ledger/decide/effect.ts'
import type { AttemptData } from '../../ledger/facts/delivery-facts.ts'
import type { Fact, FactOf } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import type { FactMoment } from '../../ledger/facts/new-fact.ts'
import type { LedgerState } from '../../ledger/project/state.ts'
import { redactLocalParts } from '../../mail/redact-local-parts.ts'
import { decideTransition } from '../../queue/observe/transition-facts.ts'
import type { Database } from '../../store/engine/engine.ts'
import { holdsLease, type Lease } from '../../store/engine/lease.ts'
import {
  type QueuedMessageRef,
  markDispatchedForOperator,
  requeueMessagesForOperator,
  type QueuedMessage,
  removeQueuedMessagesForOperator,
  claimNewMessagesForOperator,
  type QueuedMessageSummary,
} from '../../store/queue/queued-mail.ts'
import { type QueueCommand, settleQueueCommandsForOperator } from '../../store/queue/commands.ts'
import {
  type BackoffKeyRow,
  type QueuedFeedback,
  saveBackoffKeysForOperator,
  takeQueuedFeedbackForOperator,
} from '../../store/queue/backoff-keys.ts'
import { loadLedgerState } from '../../store/facts/ledger-state.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { commitLedgerState } from '../commit.ts'
import { verdictOfBlockingKey } from '../../ledger/decide/attempt-reading.ts'
import type { Context } from '../context.ts'
import type { MailUpdate, NotifiedTransition } from './delivery-session.ts'

/** Everything of one turn. */
export type DeliveryBatch = {
  readonly lease: Lease
  readonly updates: readonly MailUpdate[]
  readonly transitions: readonly NotifiedTransition[]
  readonly keyChanges: { readonly rows: readonly BackoffKeyRow[]; readonly removed: readonly Pick<BackoffKeyRow, 'key' | 'name'>[] }
  readonly commands: readonly QueueCommand[]
  /** What is about to be sent. */
  readonly refsToMark: readonly QueuedMessageRef[]
  readonly dispatchedAt: number
  /** How many of each are to be taken; 0: none. */
  readonly maxNewMails: number
  readonly maxReports: number
  /** The queue's own time until it gives up. */
  readonly giveUpDays: number
}

export type CommittedBatch = {
  /** Marked: these may be sent. */
  readonly dispatched: readonly QueuedMessage[]
  /** False: the lease is another's, and nothing was marked. */
  readonly isLeaseHeld: boolean
  readonly newMails: readonly QueuedMessageSummary[]
  readonly reports: readonly QueuedFeedback[]
  readonly facts: readonly Fact[]
}

/** All or nothing. Faults: store_busy. */
export async function commitBatch(context: Context, snapshot: AccountSnapshot, batch: DeliveryBatch): Promise<CommittedBatch> {
  return context.engine.tx(async (db) => {
    const facts = await commitUpdates(db, { context, snapshot, batch })
    const [, , newMails, reports] = await Promise.all([
      saveBackoffKeysForOperator(db, batch.keyChanges.rows, batch.keyChanges.removed),
      settleQueueCommandsForOperator(db, batch.commands),
      batch.maxNewMails === 0 ? [] : claimNewMessagesForOperator(db, batch.maxNewMails),
      batch.maxReports === 0 ? [] : takeQueuedFeedbackForOperator(db, batch.maxReports),
    ])
    if (batch.refsToMark.length === 0) return { dispatched: [], isLeaseHeld: true, newMails, reports, facts }
    const isLeaseHeld = await holdsLease(db, batch.lease)
    const dispatched = isLeaseHeld ? await markDispatchedForOperator(db, batch.refsToMark, batch.dispatchedAt) : []
    return { dispatched, isLeaseHeld, newMails, reports, facts }
  })
}

type CommitInput = { readonly context: Context; readonly snapshot: AccountSnapshot; readonly batch: DeliveryBatch }

async function commitUpdates(db: Database, { context, snapshot, batch }: CommitInput): Promise<readonly Fact[]> {
  const attempted = batch.updates.filter((done) => done.kind !== 'recalled')
  if (attempted.length > 0 || batch.transitions.length > 0) {
    const now = context.now()
    const refs = attempted.map(({ ref }) => ref)
    const { ledgerState } = await loadLedgerState(db, {
      deliveries: refs,
      history: attempted.some(({ end }) => end === 'failed'),
      sharedList: snapshot.accounts.some(({ settings }) => settings.sharedList),
      sitesAt: now,
      facts: attempted.filter((done) => isGivenUp(done)).map(({ ref }) => ref),
    })
    for (const done of attempted) decideUpdate({ context, snapshot, batch }, ledgerState, done)
    for (const { event, affected } of batch.transitions)
      applyFacts(ledgerState, decideTransition(event, affected, momentOf(context, event.at, now)))
    await commitLedgerState(db, ledgerState, { now, trace: context.telemetry.trace, notify: () => true })
    await updateQueueRows(db, batch.updates)
    return ledgerState.newFacts
  }
  await updateQueueRows(db, batch.updates)
  return []
}

const isGivenUp = (done: MailUpdate): boolean => done.kind !== 'recalled' && done.end === 'given-up'

const momentOf = ({ ids }: Context, at: number, receivedAt: number): FactMoment => ({ at, receivedAt, ids })

/** The facts of one mail, into the world. A delivery that is not there any more has none. */
function decideUpdate(
  { context, snapshot, batch }: CommitInput,
  ledgerState: LedgerState,
  done: Exclude<MailUpdate, { readonly kind: 'recalled' }>,
): void {
  const delivery = ledgerState.deliveries.get(done.ref.deliveryId)
  if (delivery === undefined) return
  const settings = snapshot.settingsOf(done.ref.account)
  const moment = momentOf(context, done.at, context.now())
  if (done.kind === 'answered') {
    const final = done.end === 'delivered' || done.end === 'failed'
    applyFacts(
      ledgerState,
      decideAttempt({
        ledger: ledgerState,
        delivery,
        attempt: { ...done.attemptReading.attempt, final },
        verdict: done.attemptReading.verdict,
        settings,
        moment,
      }),
    )
  }
  const now = ledgerState.deliveries.get(done.ref.deliveryId) ?? delivery
  if (done.end === 'deleted') applyFacts(ledgerState, decideDeleted({ ledger: ledgerState, delivery: now, settings, moment }))
  if (done.end === 'given-up') {
    const blockingVerdict = done.kind === 'ended' ? verdictOfBlockingKey(context.rules(), now.domain, done.heldBy) : null
    const last =
      lastAttemptOf(ledgerState, now.deliveryId) ??
      (blockingVerdict === null ? null : { verdict: summariseVerdict(blockingVerdict), text: blockingReplyText(done) })
    applyFacts(ledgerState, decideGiveUp({ delivery: now, lastAttempt: last, settings, moment, queueLifetimeDays: batch.giveUpDays }))
  }
}

/** What the key that held it was told, without names: it may have been another's mail. */
const blockingReplyText = (done: MailUpdate): string => (done.kind === 'ended' ? redactLocalParts(done.heldBy?.reply?.text ?? '') : '')

/** What it was retried for: the last attempt that says so. */
function lastAttemptOf(ledgerState: LedgerState, deliveryId: string): AttemptData | null {
  const facts = [...(ledgerState.facts.get(deliveryId) ?? []), ...ledgerState.newFacts]
  const attempts = facts.filter((fact): fact is FactOf<'attempt'> => fact.kind === 'attempt' && fact.deliveryId === deliveryId)
  return attempts.toSorted((a, b) => a.at - b.at).at(-1)?.data ?? null
}

async function updateQueueRows(db: Database, done: readonly MailUpdate[]): Promise<void> {
  const removed = done.filter((each) => each.kind === 'ended' || (each.kind === 'answered' && each.end !== null)).map(({ ref }) => ref)
  const requeued = done.flatMap((each) =>
    each.kind === 'recalled' || (each.kind === 'answered' && each.end === null)
      ? [{ ...each.ref, ...each.retry, dispatchedAt: each.dispatchedAt }]
      : [],
  )
  await Promise.all([removeQueuedMessagesForOperator(db, inLockOrder(removed)), requeueMessagesForOperator(db, inLockOrder(requeued))])
}

const inLockOrder = <R extends QueuedMessageRef>(refs: readonly R[]): readonly R[] =>
  refs.toSorted((a, b) => a.account - b.account || (a.deliveryId < b.deliveryId ? -1 : 1))

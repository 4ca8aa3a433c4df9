/**
 * delivery-commit - writes what a delivery session has collected, and marks what is about to be sent, in one durable transaction
 *
 * The order of the writes: the queue rows that end or stay; backoff keys and commands; the marks; last, the facts with their projections and outbox rows. All
 * of it is one transaction, so a message is never marked for its next attempt before its last one is stored.
 *
 * The transaction begins with a check of the lease. A node that has lost it (frozen, or cut off from the store) writes only what it alone knows: the replies to
 * its own attempts (service/deliver/delivery-batch, outcomesOnly). The node that took the lease over owns everything else. The removal or the requeuing of a
 * row is fenced by the mark of the attempt: it leaves a row alone that another node has marked since.
 *
 * May run again from its start: it changes nothing outside the store. A commit may take effect and have no answer, and then the next one writes all of it again:
 * facts are recognised by their keys, rows are written whole or fenced by the mark, and what was read is removed only with what followed from it.
 *
 * See also: service/deliver/delivery-batch, service/deliver/delivery-loop, ledger/decide/attempt.
 */
import { isItemFault, isRetryable } from '../../errors.ts'
import { decideAttempt, decideGiveUp } from '../../ledger/decide/attempt.ts'
import { decideDeleted } from '../../ledger/decide/deleted.ts'
import { summariseVerdict } from '../../ledger/decide/effect.ts'
import type { AttemptData } from '../../ledger/facts/delivery-facts.ts'
import type { Fact, FactOf } from '../../ledger/facts/fact.ts'
import { applyFacts } from '../../ledger/project/fold.ts'
import type { FactMoment } from '../../ledger/facts/new-fact.ts'
import { factKey, type LedgerState } from '../../ledger/project/state.ts'
import { redactLocalParts } from '../../mail/redact-local-parts.ts'
import { decideTransition } from '../../queue/observe/transition-facts.ts'
import type { Database } from '../../store/engine/engine.ts'
import { holdsLease } from '../../store/engine/lease.ts'
import {
  type QueuedMessageRef,
  markDispatchedForOperator,
  moveMessagesForOperator,
  requeueMessagesForOperator,
  type QueuedMessage,
  removeAttemptedMessagesForOperator,
  removeQueuedMessagesForOperator,
  claimNewMessagesForOperator,
  type QueuedMessageSummary,
} from '../../store/queue/queued-mail.ts'
import { removeUnneededBodies, type BodyUse } from '../../store/queue/queued-bodies.ts'
import { saveQueueCommandResultsForOperator, settleQueueCommandsForOperator, type QueueCommandResult } from '../../store/queue/commands.ts'
import { removeQueuedFeedbackForOperator, saveBackoffKeysForOperator } from '../../store/queue/backoff-keys.ts'
import { addLateResultsForOperator, removeLateResultsForOperator } from '../../store/queue/late-results.ts'
import { findFactsByKeyForOperator } from '../../store/facts/facts.ts'
import type { LedgerStateNeeds } from '../../store/facts/ledger-state.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { verdictOfBlockingKey } from '../../ledger/decide/attempt-reading.ts'
import type { Context } from '../context.ts'
import { transact, type LedgerTransaction } from '../transact.ts'
import { isEmptyKeyChanges, keyChangesBatch, outcomesOnly, type DeliveryBatch } from './delivery-batch.ts'
import { lateResultsOf } from './late-feedback.ts'
import type { SessionView } from './delivery-session.ts'
import type { KeyPersistence } from './key-persistence.ts'
import type { MailUpdate } from './mail-update.ts'
import { checkNeedsOf, endRefused } from './send-time-check.ts'
import { traceUpdates } from './observe/trace-attempt.ts'

export type CommittedBatch = {
  /** The messages that were marked. */
  readonly dispatched: readonly QueuedMessage[]
  /** False: another node has the lease. Only the outcomes of attempts were written. */
  readonly isLeaseHeld: boolean
  readonly newMessages: readonly QueuedMessageSummary[]
  readonly facts: readonly Fact[]
}

/**
 * Writes a batch, all or nothing, and logs its alarms after the commit. Faults: store_busy; any other error concerns the content of the batch.
 */
export async function commitBatch(context: Context, snapshot: AccountSnapshot, batch: DeliveryBatch): Promise<CommittedBatch> {
  const needs = batchNeedsOf(context, snapshot, batch)
  let leaseCheck: Promise<boolean> | null = null
  const needsBesideLease = (db: Database): Promise<LedgerStateNeeds> => {
    leaseCheck = holdsLease(db, batch.lease)
    // If it fails, so does the transaction.
    leaseCheck.catch(() => undefined)
    return Promise.resolve(needs)
  }
  const { committed, ledger, updates } = await transact(context, needsBesideLease, async (transaction) => {
    const { db, ledgerState } = transaction
    const isLeaseHeld = (await leaseCheck) === true
    const held = isLeaseHeld ? batch : outcomesOnly(batch)
    const decided = decideUpdates({ context, snapshot, batch: held, transaction })
    await applyTransitions(context, transaction, held.transitions)
    const refsToMark = await endRefused(snapshot, held, transaction)
    const facts = ledgerState.newFacts
    const { removed, newMessages, dispatched } = await writeQueue(context, db, { held, decided, refsToMark })
    db.commitWith(removeUnneededBodies(db, removed))
    return { result: { committed: { dispatched, isLeaseHeld, newMessages, facts }, ledger: ledgerState, updates: held.updates } }
  })
  traceUpdates(context.telemetry, batch.updates, ledger)
  context.attemptLog?.record(updates, ledger)
  return committed
}

type QueueWrites = {
  readonly held: DeliveryBatch
  readonly decided: readonly MailUpdate[]
  readonly refsToMark: readonly QueuedMessageRef[]
}

type WrittenQueue = Pick<CommittedBatch, 'newMessages' | 'dispatched'> & { readonly removed: readonly BodyUse[] }

/** Writes all that is not part of the ledger. The statements travel together and run in this order. */
async function writeQueue(context: Context, db: Database, { held, decided, refsToMark }: QueueWrites): Promise<WrittenQueue> {
  const mark = { at: held.dispatchedAt, markedBy: held.markedBy, groups: held.groups }
  const [removed, , newMessages, dispatched] = await Promise.all([
    updateQueueRows(db, held),
    saveKeysAndResults(context, db, held, decided),
    held.maxNewMessages === 0 ? [] : claimNewMessagesForOperator(db, held.groupsToClaim, held.maxNewMessages),
    refsToMark.length === 0 ? [] : markDispatchedForOperator(db, refsToMark, mark),
  ])
  return { removed, newMessages, dispatched }
}

async function saveKeysAndResults(context: Context, db: Database, held: DeliveryBatch, decided: readonly MailUpdate[]): Promise<void> {
  await Promise.all([
    saveBackoffKeysForOperator(db, held.keyChanges.rows, held.keyChanges.removed),
    saveAndSettle(context, db, held.commandResults),
    removeQueuedFeedbackForOperator(db, held.lateReports),
    removeLateResultsForOperator(db, held.lateResults),
    addLateResultsForOperator(db, lateResultsOf(decided, held.groups)),
  ])
}

/** Settles commands that all nodes have run at the same time, none of which saw the results of the others. Faults: store_busy. */
export async function settleCommands({ engine, now }: Context): Promise<void> {
  await engine.tx((db) => settleQueueCommandsForOperator(db, now()), { visibility: 'latest' })
}

async function saveAndSettle({ now }: Context, db: Database, results: readonly QueueCommandResult[]): Promise<void> {
  if (results.length === 0) return
  await saveQueueCommandResultsForOperator(db, results)
  await settleQueueCommandsForOperator(db, now())
}

/** Writes the backoff keys that have changed since they were last written. Faults: store_busy. */
export async function commitKeyChanges(
  context: Context,
  { lease, queue, groups }: SessionView,
  keyPersistence: KeyPersistence,
): Promise<void> {
  const keyChanges = keyPersistence.collectChanges(queue, null, groups)
  if (isEmptyKeyChanges(keyChanges)) return
  const snapshot = await context.accountCache.snapshot()
  keyPersistence.markSaving(keyChanges)
  await commitBatch(context, snapshot, keyChangesBatch(lease, keyChanges, groups))
  keyPersistence.markSaved(keyChanges)
}

/**
 * Writes batches one by one. Calls `onSettled` for each that is written or whose content cannot be; the latter are logged. One that fails for
 * another reason waits for the next commit. Faults: store_busy, where it stops.
 */
export async function commitParts(
  context: Context,
  snapshot: AccountSnapshot,
  parts: readonly DeliveryBatch[],
  onSettled: (part: DeliveryBatch) => void,
): Promise<void> {
  const { telemetry } = context
  for (const part of parts) {
    try {
      await commitBatch(context, snapshot, part)
    } catch (cause) {
      if (isRetryable(cause)) throw cause
      const deliveryIds = part.updates.map(({ ref }) => ref.deliveryId)
      telemetry.log.error({ err: cause, deliveryIds }, 'outcome of a message could not be stored')
      if (!isItemFault(cause)) continue
    }
    onSettled(part)
  }
}

type CommitInput = {
  readonly context: Context
  readonly snapshot: AccountSnapshot
  readonly batch: DeliveryBatch
  readonly transaction: LedgerTransaction
}

/** Updates that change the status of their delivery. */
const decisiveUpdatesOf = ({ updates }: DeliveryBatch): readonly DecisiveUpdate[] => updates.filter((update) => update.kind !== 'unsent')

function batchNeedsOf(context: Context, snapshot: AccountSnapshot, batch: DeliveryBatch): LedgerStateNeeds {
  const decisive = decisiveUpdatesOf(batch)
  const checked = batch.refsToCheck.map(({ ref }) => ref)
  if (decisive.length === 0) return checked.length === 0 ? {} : { deliveries: checked, ...checkNeedsOf(batch.refsToCheck) }
  return {
    deliveries: [...decisive.map(({ ref }) => ref), ...checked],
    history: decisive.some(({ end }) => end === 'failed'),
    sharedList: snapshot.accounts.some(({ settings }) => settings.sharedList),
    ...checkNeedsOf(batch.refsToCheck),
    sitesAt: context.now(),
    facts: decisive.filter(({ end }) => end === 'given-up').map(({ ref }) => ref),
  }
}

/** Decides and applies the facts of all updates. Returns the updates that the store did not know: an earlier commit may have had no answer. */
function decideUpdates(input: CommitInput): readonly MailUpdate[] {
  const { batch, transaction } = input
  const { newFacts } = transaction.ledgerState
  return decisiveUpdatesOf(batch).filter((update) => {
    const before = newFacts.length
    decideUpdate(input, transaction.ledgerState, update)
    return newFacts.length > before
  })
}

/** Applies the facts of backoff transitions, but for those that a commit without an answer has stored. */
async function applyTransitions(
  context: Context,
  { db, ledgerState, moment, apply }: LedgerTransaction,
  transitions: DeliveryBatch['transitions'],
): Promise<void> {
  const facts = transitions.flatMap(({ event, affected }) => decideTransition(event, affected, momentOf(context, event.at, moment.at)))
  if (facts.length === 0) return
  for (const known of await findFactsByKeyForOperator(db, facts)) ledgerState.seenKeys.add(factKey(known))
  apply(facts)
}

const momentOf = ({ ids }: Context, at: number, receivedAt: number): FactMoment => ({ at, receivedAt, ids })

type DecisiveUpdate = Exclude<MailUpdate, { readonly kind: 'unsent' }>

/** Decides the facts of one update. A delivery that has been removed gets none. */
function decideUpdate({ context, snapshot, batch, transaction }: CommitInput, ledgerState: LedgerState, update: DecisiveUpdate): void {
  const delivery = ledgerState.deliveries.get(update.ref.deliveryId)
  if (delivery === undefined) return
  const settings = snapshot.settingsOf(update.ref.account)
  const moment = momentOf(context, update.at, transaction.moment.at)
  if (update.kind === 'attempted') {
    const { attempt, verdict } = update.attemptReading
    const final = update.end === 'delivered' || update.end === 'failed'
    applyFacts(ledgerState, decideAttempt({ ledger: ledgerState, delivery, attempt: { ...attempt, final }, verdict, settings, moment }))
  }
  const current = ledgerState.deliveries.get(update.ref.deliveryId) ?? delivery
  if (update.end === 'deleted') applyFacts(ledgerState, decideDeleted({ ledger: ledgerState, delivery: current, settings, moment }))
  if (update.end === 'given-up') {
    const lastAttempt = lastAttemptOf(ledgerState, current.deliveryId) ?? blockingAttemptOf(context, current.domain, update)
    applyFacts(ledgerState, decideGiveUp({ delivery: current, lastAttempt, settings, moment, queueLifetimeDays: batch.giveUpDays }))
  }
}

/** For a message that expired without an attempt: the last reply that its blocking key keeps, without local parts, since it may have been sent to another account. */
function blockingAttemptOf({ rules }: Context, domain: string, update: DecisiveUpdate): Pick<AttemptData, 'verdict' | 'text'> | null {
  if (update.kind !== 'ended') return null
  const verdict = verdictOfBlockingKey(rules(), domain, update.blockingKey)
  const text = redactLocalParts(update.blockingKey?.reply?.text ?? '')
  return verdict === null ? null : { verdict: summariseVerdict(verdict), text }
}

/** The last attempt in the timeline. */
function lastAttemptOf(ledgerState: LedgerState, deliveryId: string): AttemptData | null {
  const facts = [...(ledgerState.facts.get(deliveryId) ?? []), ...ledgerState.newFacts]
  const attempts = facts.filter((fact): fact is FactOf<'attempt'> => fact.kind === 'attempt' && fact.deliveryId === deliveryId)
  return attempts.toSorted((a, b) => a.at - b.at).at(-1)?.data ?? null
}

/** Returns the messages that were removed after an attempt, whose bodies remain to be removed. */
async function updateQueueRows(db: Database, { updates, moves, groups }: DeliveryBatch): Promise<readonly BodyUse[]> {
  const ended: QueuedMessageRef[] = []
  const attempted: Parameters<typeof removeAttemptedMessagesForOperator>[1][number][] = []
  const requeued: Parameters<typeof requeueMessagesForOperator>[1][number][] = []
  for (const update of updates) {
    if (update.kind === 'ended') ended.push(update.ref)
    else if (update.kind === 'attempted' && update.end !== null) attempted.push({ ...update.ref, dispatchedAt: update.dispatchedAt })
    else requeued.push({ ...update.ref, ...update.retry, dispatchedAt: update.dispatchedAt })
  }
  const [, removed] = await Promise.all([
    removeQueuedMessagesForOperator(db, inLockOrder(ended)),
    removeAttemptedMessagesForOperator(db, inLockOrder(attempted)),
    requeueMessagesForOperator(db, inLockOrder(requeued), groups),
    moveMessagesForOperator(db, moves),
  ])
  return removed
}

/** Every transaction locks the rows in the same order, so that two of them cannot deadlock. */
const inLockOrder = <R extends QueuedMessageRef>(refs: readonly R[]): readonly R[] =>
  refs.toSorted((a, b) => a.account - b.account || (a.deliveryId < b.deliveryId ? -1 : 1))

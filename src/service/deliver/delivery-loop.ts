/**
 * delivery-loop - the owner of a delivery session: loads, dispatches, commits and sends, one tick after the other
 *
 * Ticks run one at a time; attempts run beside them, and their results are committed with the next tick. A message is marked in the store before its attempt
 * begins. While the store is unavailable, the batch is kept whole and nothing new is dispatched. If a batch fails for another reason, it is split, so that a
 * message whose outcome cannot be stored blocks no other; it stays marked, and the log names it. This file alone changes the session, by the functions of
 * `delivery-session`. See also: service/deliver/deliverer (leases), service/deliver/delivery-batch, service/deliver/delivery-commit, docs/DELIVERY.md.
 */
import { isRetryable } from '../../errors.ts'
import type { QueueEvent } from '../../queue/message.ts'
import { holdsAllGroups } from '../../queue/lane-group.ts'
import { isQueueNotification } from '../../queue/observe/affected-accounts.ts'
import { nextDispatchBatch, type Queue } from '../../queue/queue.ts'
import { withdrawMessage } from '../../queue/schedule/withdraw.ts'
import type { Lease } from '../../store/engine/lease.ts'
import { findPendingWorkForOperator } from '../../store/queue/queued-mail.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { collectBatch, isEmptyBatch, splitBatch, type DeliveryBatch } from './delivery-batch.ts'
import { commitBatch, commitKeyChanges, commitParts, settleCommands, type CommittedBatch } from './delivery-commit.ts'
import {
  addDispatches,
  canBegin,
  createSession,
  dropWritten,
  markReady,
  reloadGroups,
  settleAttempt,
  stopSession,
  takeRecalled,
  takeUnanswered,
} from './delivery-session.ts'
import type { PendingAttempt, ReadyAttempt, SessionView } from './delivery-session.ts'
import { isRecorded } from './groups/held-groups.ts'
import { enqueueResolved, loadQueue, regroup, rehome } from './groups/regrouping.ts'
import { applyEvents, type LoopOptions, type LoopState } from './loop-state.ts'
import { learnLateFeedback } from './late-feedback.ts'
import { reportAttempt, updateQueueGauges } from './observe/queue-telemetry.ts'
import { runCommands } from './pending-commands.ts'
import type { SendOutcome } from './sender.ts'
import { reshapeQueue } from '../../queue/shaping/reshape.ts'
import { createQueueShaping } from '../../queue/shaping/shaping-table.ts'
import { connectionLimitsOf } from '../../queue/shaping/limits-in-force.ts'
import { mayUseHost } from './shaping/mx-hosts.ts'
import { readSendOutcome } from './settled-attempt.ts'
import { dispatchCapacity, isPollDue, isSnapshotDue, mayDispatch, msUntilNextTick } from './tick-schedule.ts'

/** What a session begins with. Attempts may begin until `leaseUntil`, on the clock for intervals. */
type SessionStart = { readonly lease: Lease; readonly queue: Queue; readonly leaseUntil: number }

export type DeliveryLoop = {
  readonly session: SessionView
  /** Loads the queued messages of groups that were acquired, or continues where a fault interrupted it. Faults: store_busy. */
  readonly load: () => Promise<void>
  /** Polls, dispatches, commits and begins attempts. Never rejects: what fails is kept, or logged. */
  readonly tick: () => Promise<void>
  /** How long until the next tick is due, unless `wake` is called. */
  readonly msUntilNextTick: () => number
  /** Makes the next tick look for new messages in the store. */
  readonly requestPoll: () => void
  readonly extendLease: (leaseUntil: number) => void
  /** Begins no more attempts. */
  readonly stop: () => void
}

/** Creates the loop with a new session. The caller calls `tick` again and again, one at a time. */
export function createDeliveryLoop(options: LoopOptions, { lease, queue, leaseUntil }: SessionStart): DeliveryLoop {
  const session = createSession(lease, queue, leaseUntil)
  const loader = options.createLoader((messages) => enqueueResolved(loop, messages))
  const loop: LoopState = { ...options, session, loader }
  return {
    session,
    load: () => loadQueue(loop),
    tick: () => tick(loop),
    msUntilNextTick: () => msUntilNextTick(session, options.concurrencyLimit, options.context),
    requestPoll: () => {
      session.hasNewMessages = true
      session.lastPollAt = -Infinity
    },
    extendLease: (until) => (session.leaseUntil = until),
    stop: () => {
      stopSession(session)
      startAttempts(loop)
    },
  }
}

async function tick(loop: LoopState): Promise<void> {
  const { context, session } = loop
  try {
    if (session.isSpreadUnanswered) await regroup(loop)
    const isPolling = isPollDue(session, context.elapsed())
    if (isPolling) await pollStore(loop)
    const snapshot = await context.accountCache.snapshot()
    dispatchDue(loop)
    await commitPending(loop, snapshot)
    startAttempts(loop)
    if (isPolling && (await regroup(loop))) startAttempts(loop)
    if (isSnapshotDue(session, context.elapsed())) await saveSnapshots(loop)
  } catch (error) {
    session.isStoreFailing = true
    context.telemetry.log.error({ err: error }, 'changes of the delivery queue could not be committed; they will be committed again')
  }
}

/** Reads new messages, late reports and commands that other nodes have stored. */
async function pollStore(loop: LoopState): Promise<void> {
  const { context, session } = loop
  const now = context.now()
  const { hasNewMessages, hasFeedback } = await findPendingWorkForOperator(context.engine.read, session.groups)
  if (session.commandResults.length === 0 && session.groups.size > 0) {
    const isCounted = (event: QueueEvent): boolean => isQueueNotification(event) && isRecorded(session.groups, session.queue, event)
    const { events, results, changedKeys, hasRun } = await runCommands(
      context.engine.read,
      session.queue,
      { node: loop.node, isRecorded: isCounted },
      now,
    )
    applyEvents(loop, events)
    for (const key of changedKeys) session.changedKeys.add(key)
    session.commandResults.push(...results)
    if (hasRun) await settleCommands(context)
    // The sender of a command checks its effect at once.
    if (results.length > 0) session.lastSnapshotAt = -Infinity
  }
  const isMoreFeedback = hasFeedback && (await learnFeedback(loop, now))
  session.updates.push(...(await loop.loader.recheck(session.groups)))
  if (!holdsAllGroups(session.groups)) await loop.keyPersistence.refreshAccounts(context.engine.read, session.queue, now)
  session.hasNewMessages ||= hasNewMessages
  session.lastPollAt = isMoreFeedback ? -Infinity : context.elapsed()
}

/** Passes late reports and results to the queue, unless those of an earlier poll are still in the store. Returns whether it may hold more. */
async function learnFeedback(loop: LoopState, now: number): Promise<boolean> {
  const { context, session } = loop
  if (session.lateReports.length + session.lateResults.length > 0) return false
  const { lateReports, lateResults, events, isFull } = await learnLateFeedback(context.engine.read, session.queue, session.groups, now)
  session.lateReports.push(...lateReports)
  session.lateResults.push(...lateResults)
  applyEvents(loop, events)
  return isFull
}

function dispatchDue(loop: LoopState): void {
  const { context, session, concurrencyLimit } = loop
  const now = context.now()
  if (!mayDispatch(session, context.elapsed())) return
  applyShaping(loop)
  const { dispatches, events } = nextDispatchBatch(session.queue, now, dispatchCapacity(session, concurrencyLimit))
  applyEvents(loop, events)
  addDispatches(session, dispatches, now)
}

/** Takes the limits of receiving sites that were read since the last tick. */
function applyShaping({ context, session, shapingSpeed = 1 }: LoopState): void {
  const table = context.shaping?.()
  if (table === undefined || table === session.queue.shaping?.table) return
  reshapeQueue(session.queue, createQueueShaping(table, shapingSpeed))
}

async function commitPending(loop: LoopState, snapshot: AccountSnapshot): Promise<void> {
  const { context, session, keyPersistence } = loop
  for (const attempt of takeRecalled(session)) returnUnsent(loop, attempt)
  const now = context.now()
  for (const attempt of session.awaitingMark) attempt.dispatchedAt = now
  const changedKeys = [...session.changedKeys]
  const keyChanges = keyPersistence.collectChanges(session.queue, session.changedKeys, session.groups)
  const batch = collectBatch(session, { keyChanges, giveUpDays: loop.giveUpDays, now })
  session.changedKeys.clear()
  if (batch.maxNewMessages > 0) session.hasNewMessages = false
  keyPersistence.markSaving(keyChanges)
  try {
    if (!isEmptyBatch(batch)) {
      const committed = await commitBatch(context, snapshot, batch)
      dropWritten(session, batch)
      keyPersistence.markSaved(keyChanges)
      applyCommitted(loop, committed, batch)
    }
    session.isStoreFailing = false
  } catch (error) {
    for (const key of changedKeys) session.changedKeys.add(key)
    session.hasNewMessages ||= batch.maxNewMessages > 0
    if (isRetryable(error)) {
      if (batch.maxNewMessages > 0) reloadGroups(session, batch.groupsToClaim)
      for (const attempt of takeUnanswered(session)) returnUnsent(loop, attempt)
      throw error
    }
    const { log } = context.telemetry
    log.error(
      { err: error, mails: batch.updates.length },
      'a delivery batch could not be committed; its parts will be committed one by one',
    )
    await commitSeparately(loop, snapshot, batch)
  }
}

function applyCommitted(loop: LoopState, committed: CommittedBatch, batch: DeliveryBatch): void {
  const { context, session } = loop
  if (!committed.isLeaseHeld) {
    endWithoutLease(loop)
    return
  }
  if (batch.refsToMark.length > 0) moveToReady(loop, committed, batch.refsToMark.length)
  if (committed.newMessages.length > 0) session.updates.push(...loop.loader.add(committed.newMessages))
  // A full claim may have left more in the store.
  if (batch.maxNewMessages > 0 && committed.newMessages.length === batch.maxNewMessages) session.hasNewMessages = true
  context.counterBuffer.count(committed.facts)
}

/** Another node delivers: nothing more begins here. */
function endWithoutLease(loop: LoopState): void {
  const { context, session } = loop
  context.telemetry.log.warn({ term: session.lease.term }, 'delivery lease lost; no more attempts begin')
  stopSession(session)
  for (const attempt of takeRecalled(session)) returnUnsent(loop, attempt)
}

/** Marked attempts may begin. */
function moveToReady(loop: LoopState, { dispatched }: CommittedBatch, count: number): void {
  const { context, session } = loop
  for (const { dispatch, ref } of markReady(session, count, dispatched)) {
    applyEvents(loop, withdrawMessage(session.queue, dispatch.mailId, context.now()))
    context.telemetry.log.info({ account: ref.account, deliveryId: ref.deliveryId }, 'message is no longer in the store and is not sent')
  }
}

/** Commits what can be committed; attempts that were to be marked return to the queue unsent. */
async function commitSeparately(loop: LoopState, snapshot: AccountSnapshot, batch: DeliveryBatch): Promise<void> {
  const { context, session } = loop
  await commitParts(context, snapshot, splitBatch(batch), (part) => dropWritten(session, part))
  for (const attempt of session.awaitingMark.splice(0)) returnUnsent(loop, attempt)
  session.isStoreFailing = true
}

/** Begins ready attempts while there are free connections. Those that must not begin return to the queue even if there is none. */
function startAttempts(loop: LoopState): void {
  const { context, session, concurrencyLimit } = loop
  for (let next = session.ready[0]; next !== undefined; next = session.ready[0]) {
    const isAllowed = canBegin(session, next.attempt, context.elapsed())
    if (isAllowed && session.sendingCount >= concurrencyLimit) return
    session.ready.shift()
    if (isAllowed) void runAttempt(loop, next)
    else returnUnsent(loop, next.attempt)
  }
}

/** Never rejects. */
async function runAttempt(loop: LoopState, { attempt, mail }: ReadyAttempt): Promise<void> {
  const { context, session } = loop
  session.sendingCount += 1
  try {
    const { sent, destination } = await loop.sender.send(attempt.dispatch, mail, {
      begin: () => {
        if (!canBegin(session, attempt, context.elapsed())) return false
        attempt.phase = 'sending'
        return true
      },
      limits: connectionLimitsOf(session.queue, attempt.dispatch),
      mayUse: (host) => mayUseHost(session.queue, context.rules(), attempt.dispatch, { host, now: context.now() }),
    })
    endAttempt(loop, attempt, sent)
    rehome(loop, attempt, destination)
  } catch (error) {
    const { account, deliveryId } = attempt.ref
    context.telemetry.log.error({ account, deliveryId, err: error }, 'attempt failed unexpectedly; the message will be retried')
    if (session.pendingAttempts.has(attempt.dispatch.number)) endAttempt(loop, attempt, { kind: 'unbuilt' })
  } finally {
    session.sendingCount -= 1
    startAttempts(loop)
  }
}

const returnUnsent = (loop: LoopState, attempt: PendingAttempt): void => endAttempt(loop, attempt, { kind: 'unsent' })

function endAttempt(loop: LoopState, attempt: PendingAttempt, sent: SendOutcome): void {
  const { context, session, wake } = loop
  const now = context.now()
  const { dispatch } = attempt
  const acceptedAt = session.queue.entries.get(dispatch.mailId)?.message.acceptedAt ?? now
  const settled = readSendOutcome(context.rules(), dispatch, sent)
  const { events, end, dueAt } = settleAttempt(session, attempt, settled, now)
  reportAttempt(context.telemetry, { dispatch, sent, settled, end, dueAt, ageMs: now - acceptedAt })
  applyEvents(loop, events)
  wake()
}

/** Writes the lane snapshots and the learnt values of backoff keys. */
async function saveSnapshots(loop: LoopState): Promise<void> {
  const { context, session, keyPersistence, laneSnapshots } = loop
  const now = context.now()
  session.lastSnapshotAt = context.elapsed()
  session.hasTransitioned = false
  updateQueueGauges(context.telemetry, session)
  await laneSnapshots.save(context.engine, session.queue, now)
  await commitKeyChanges(context, session, keyPersistence)
}

/**
 * delivery-loop - one round of the deliverer: what came in, what may go, one commit, and on their way
 *
 * Turns follow each other; what is under way is answered meanwhile, and goes into the store with the next turn. A turn that the store did
 * not take keeps all it had: until one is taken, nothing new is given out. One that fails for another reason is taken apart, so that one
 * mail that cannot be written down stops no other; it stays marked in the store, and is told of in the log.
 *
 * See also: service/deliver/deliverer (who takes turns), service/deliver/delivery-commit (what is written), service/deliver/delivery-session.
 */
import { isRetryable } from '../../errors.ts'
import { applyLaterReport } from '../../queue/schedule/attempt-result.ts'
import { nextDispatchBatch, nextWakeAt } from '../../queue/queue.ts'
import { withdrawMessage } from '../../queue/schedule/withdraw.ts'
import { findPendingWorkForOperator, type QueuedMessage } from '../../store/queue/queued-mail.ts'
import { logAlarms } from '../alarm-log.ts'
import { traceFacts } from '../trace-facts.ts'
import type { AccountSnapshot } from '../account-cache.ts'
import { type MailSender, returnUnsent } from './sender.ts'
import type { LaneSnapshots } from './lane-snapshots.ts'
import { commitBatch, type CommittedBatch, type DeliveryBatch } from './delivery-commit.ts'
import { runCommands } from './command-runner.ts'
import type { KeyPersistence, KeyChanges } from './key-persistence.ts'
import type { Context } from '../context.ts'
import { applyQueueEvents, type PendingAttempt, recallAttempts, mailRefOf, type DeliverySession } from './delivery-session.ts'
import type { QueueLoader } from './queue-loader.ts'

export type DeliveryLoop = {
  readonly context: Context
  readonly sender: MailSender
  readonly queueLoader: QueueLoader
  readonly keyPersistence: KeyPersistence
  readonly laneSnapshots: LaneSnapshots
  /** Mails under way at once. */
  readonly concurrencyLimit: number
  readonly giveUpDays: number
  readonly wake: () => void
}

/** How often the store is asked what other nodes have put into it. */
export const POLL_INTERVAL_MS = 1_000
/** How often the lanes' picture and what keys have learnt are written. */
const SNAPSHOT_INTERVAL_MS = 5_000
/** After a transition the picture is drawn at once, but not more often than this. */
const MIN_SNAPSHOT_INTERVAL_MS = 1_000

/** What one turn takes in, and how many ends without an attempt it writes: a long transaction would hold up everybody else. */
const MAX_NEW_MAILS = 1_000
const MAX_REPORTS = 500
const MAX_ENDED_UPDATES = 500

/** Takes one turn. Throws nothing: what fails is kept, or told. */
export async function tick(loop: DeliveryLoop, session: DeliverySession): Promise<void> {
  const { context } = loop
  try {
    if (!session.isEnding) await pollStore(loop, session)
    const snapshot = await context.accountCache.snapshot()
    const now = context.now()
    if (!session.isEnding && !session.isStoreFailing && now < session.leaseUntil) dispatchDue(loop, session, now)
    session.hasTransitioned ||= session.transitions.length > 0
    await commitPending(loop, session, snapshot)
    loop.sender.startAttempts(session)
    if (!session.isEnding) await saveSnapshots(loop, session)
  } catch (error) {
    session.isStoreFailing = true
    context.telemetry.log.error({ err: error }, 'the delivery queue waits for the store')
  }
}

/** How long until the next turn, unless somebody wakes it. While all lines are in use an answer does. */
export function msUntilNextTick(
  { concurrencyLimit }: Pick<DeliveryLoop, 'concurrencyLimit'>,
  session: DeliverySession,
  now: number,
): number {
  if (session.isStoreFailing || now >= session.leaseUntil || freeSlots(concurrencyLimit, session) === 0) return POLL_INTERVAL_MS
  if (session.hasNewMails && session.isLoaded) return 0
  const wake = nextWakeAt(session.queue, now)
  return wake === null ? POLL_INTERVAL_MS : Math.min(POLL_INTERVAL_MS, Math.max(0, wake - now))
}

/** What other nodes and people have put into the store. */
async function pollStore({ context }: DeliveryLoop, session: DeliverySession): Promise<void> {
  const now = context.now()
  if (now - session.lastPollAt < POLL_INTERVAL_MS) return
  const { fresh: newMails, reports } = await findPendingWorkForOperator(context.engine.read)
  if (session.commands.length === 0) {
    const { events, settled } = await runCommands(context.engine.read, session.queue, now)
    applyQueueEvents(session, events)
    session.commands.push(...settled)
    // Who has ordered looks at once whether it holds.
    if (settled.length > 0) session.lastSnapshotAt = 0
  }
  session.hasNewMails ||= newMails
  session.hasReports ||= reports
  session.lastPollAt = now
}

/** Marked ahead, as a share of the lines: a line that is free waits for no commit, and a kill leaves few marks of what had not begun. */
const READY_AHEAD_SHARE = 0.1

/** How many more may be given out. */
const freeSlots = (concurrencyLimit: number, { pendingAttempts }: DeliverySession): number =>
  Math.max(0, concurrencyLimit + Math.ceil(concurrencyLimit * READY_AHEAD_SHARE) - pendingAttempts.size)

/** What the queue lets go. */
function dispatchDue({ concurrencyLimit }: DeliveryLoop, session: DeliverySession, now: number): void {
  const { dispatches, events } = nextDispatchBatch(session.queue, now, freeSlots(concurrencyLimit, session))
  applyQueueEvents(session, events)
  for (const dispatch of dispatches) {
    const ref = mailRefOf(dispatch.account, dispatch.mailId)
    const attempt: PendingAttempt = { dispatch, ref, dispatchedAt: now, phase: 'marking', isRecalled: false }
    session.pendingAttempts.set(dispatch.number, attempt)
    session.awaitingMark.push(attempt)
  }
}

async function commitPending(loop: DeliveryLoop, session: DeliverySession, snapshot: AccountSnapshot): Promise<void> {
  returnRecalled(loop, session)
  const { turn: batch, keys, movedKeys: changedKeys } = collectBatch(loop, session)
  if (isEmptyBatch(batch)) {
    session.isStoreFailing = false
    return
  }
  try {
    const committed = await commitBatch(loop.context, snapshot, batch)
    dropWritten(session, batch)
    loop.keyPersistence.markSaved(keys)
    applyCommitted(loop, session, { committed, turn: batch })
    session.isStoreFailing = false
  } catch (error) {
    for (const key of changedKeys) session.changedKeys.add(key)
    session.hasNewMails ||= batch.maxNewMails > 0
    session.hasReports ||= batch.maxReports > 0
    if (isRetryable(error)) throw error
    await commitSeparately(loop, session, { snapshot, batch, error })
  }
}

/** What was recalled before it was marked goes back. */
function returnRecalled(loop: DeliveryLoop, session: DeliverySession): void {
  const recalled = session.awaitingMark.filter(({ isRecalled }) => isRecalled || session.isEnding)
  if (recalled.length === 0) return
  session.awaitingMark = session.awaitingMark.filter((attempt) => !recalled.includes(attempt))
  for (const attempt of recalled) returnUnsent(loop, session, attempt)
}

function collectBatch(
  loop: DeliveryLoop,
  session: DeliverySession,
): { readonly turn: DeliveryBatch; readonly keys: KeyChanges; readonly movedKeys: ReadonlySet<string> } {
  const now = loop.context.now()
  for (const attempt of session.awaitingMark) attempt.dispatchedAt = now
  const changedKeys = new Set(session.changedKeys)
  session.changedKeys.clear()
  const keys = loop.keyPersistence.collectChanges(session.queue, changedKeys)
  const batch: DeliveryBatch = {
    lease: session.lease,
    updates: [...session.updates, ...session.endedUpdates.slice(0, MAX_ENDED_UPDATES)],
    transitions: [...session.transitions],
    keyChanges: keys,
    commands: [...session.commands],
    refsToMark: session.awaitingMark.map(({ ref }) => ref),
    dispatchedAt: now,
    maxNewMails: session.isLoaded && session.hasNewMails && !session.isEnding ? MAX_NEW_MAILS : 0,
    maxReports: session.hasReports && !session.isEnding ? MAX_REPORTS : 0,
    giveUpDays: loop.giveUpDays,
  }
  if (batch.maxNewMails > 0) session.hasNewMails = false
  if (batch.maxReports > 0) session.hasReports = false
  return { turn: batch, keys, movedKeys: changedKeys }
}

function isEmptyBatch({
  updates: done,
  transitions,
  keyChanges: keys,
  commands,
  refsToMark,
  maxNewMails: newMails,
  maxReports: reports,
}: DeliveryBatch): boolean {
  const counts = [
    done.length,
    transitions.length,
    keys.rows.length,
    keys.removed.length,
    commands.length,
    refsToMark.length,
    newMails,
    reports,
  ]
  return counts.every((count) => count === 0)
}

/** What is in the store goes from here; what came meanwhile stays. */
function dropWritten(session: DeliverySession, { updates: done, transitions, commands }: DeliveryBatch): void {
  const written = new Set(done)
  session.updates = session.updates.filter((each) => !written.has(each))
  session.endedUpdates = session.endedUpdates.filter((each) => !written.has(each))
  session.transitions = session.transitions.slice(transitions.length)
  session.commands = session.commands.slice(commands.length)
}

function applyCommitted(
  loop: DeliveryLoop,
  session: DeliverySession,
  { committed, turn: batch }: { readonly committed: CommittedBatch; readonly turn: DeliveryBatch },
): void {
  const { context, queueLoader } = loop
  moveToReady(loop, session, committed, batch.refsToMark.length)
  queueLoader.add(session, committed.newMails)
  if (committed.newMails.length === MAX_NEW_MAILS) session.hasNewMails = true
  if (committed.reports.length === MAX_REPORTS) session.hasReports = true
  for (const { kind, account } of committed.reports)
    applyQueueEvents(session, applyLaterReport(session.queue, { kind, account }, context.now()))
  logAlarms(context.telemetry, committed.facts)
  traceFacts(context.telemetry, committed.facts)
  context.counterBuffer.count(committed.facts)
}

/** Marked: they may go. What the store no longer has is gone; where the lease is another's, nothing may. */
function moveToReady(loop: DeliveryLoop, session: DeliverySession, { dispatched, isLeaseHeld }: CommittedBatch, refsToMark: number): void {
  if (refsToMark === 0) return
  const attempts = session.awaitingMark.splice(0, refsToMark)
  if (!isLeaseHeld) {
    stopSession(session)
    for (const attempt of attempts) returnUnsent(loop, session, attempt)
    return
  }
  const mails = new Map<string, QueuedMessage>(dispatched.map((mail) => [mail.deliveryId, mail]))
  for (const attempt of attempts) {
    const mail = mails.get(attempt.ref.deliveryId)
    if (mail === undefined) dropMissing(loop, session, attempt)
    else {
      attempt.phase = 'staged'
      session.ready.push({ attempt, mail })
    }
  }
}

function dropMissing({ context }: DeliveryLoop, session: DeliverySession, { dispatch, ref }: PendingAttempt): void {
  session.pendingAttempts.delete(dispatch.number)
  applyQueueEvents(session, withdrawMessage(session.queue, dispatch.mailId, context.now()))
  context.telemetry.log.info({ account: ref.account, deliveryId: ref.deliveryId }, 'a mail is no longer in the store; it is not sent')
}

/** Another node delivers: what has not begun does not begin. */
export function stopSession(session: DeliverySession): void {
  session.isEnding = true
  recallAttempts(session, () => true)
}

type FailedBatch = { readonly snapshot: AccountSnapshot; readonly batch: DeliveryBatch; readonly error: unknown }

/** Each mail on its own; what cannot be written down is told. Then all that is no mail, and the marks. */
async function commitSeparately(loop: DeliveryLoop, session: DeliverySession, { snapshot, batch, error }: FailedBatch): Promise<void> {
  const { context } = loop
  context.telemetry.log.error(
    { err: error, mails: batch.updates.length },
    'a turn of the delivery queue could not be written; it is taken apart',
  )
  const emptyBatch: DeliveryBatch = {
    ...batch,
    updates: [],
    transitions: [],
    keyChanges: { rows: [], removed: [] },
    commands: [],
    refsToMark: [],
    maxNewMails: 0,
    maxReports: 0,
  }
  const parts: DeliveryBatch[] = [
    ...batch.updates.map((done) => ({ ...emptyBatch, updates: [done] })),
    ...batch.transitions.map((move) => ({ ...emptyBatch, transitions: [move] })),
    { ...emptyBatch, commands: batch.commands },
  ]
  for (const part of parts) {
    try {
      const { facts } = await commitBatch(context, snapshot, part)
      logAlarms(context.telemetry, facts)
    } catch (cause) {
      if (isRetryable(cause)) throw cause
      const refs = part.updates.map(({ ref }) => ref.deliveryId)
      context.telemetry.log.error({ err: cause, deliveryIds: refs }, 'what became of a mail could not be written down')
    }
    dropWritten(session, part)
  }
  recallAttempts(session, ({ phase }) => phase === 'marking')
  returnRecalled(loop, session)
  session.isStoreFailing = true
}

/** The picture of the lanes, and what keys have learnt. */
async function saveSnapshots(loop: DeliveryLoop, session: DeliverySession): Promise<void> {
  const { context, keyPersistence: keys, laneSnapshots } = loop
  const now = context.now()
  const isDue = now - session.lastSnapshotAt >= SNAPSHOT_INTERVAL_MS
  if (!isDue && (!session.hasTransitioned || now - session.lastSnapshotAt < MIN_SNAPSHOT_INTERVAL_MS)) return
  session.lastSnapshotAt = now
  session.hasTransitioned = false
  updateGauges(loop, session)
  await laneSnapshots.save(context.engine, session.queue, now)
  const changes = keys.collectChanges(session.queue, null)
  if (changes.rows.length + changes.removed.length === 0) return
  const snapshot = await context.accountCache.snapshot()
  await commitBatch(context, snapshot, { ...EMPTY_BATCH, lease: session.lease, keyChanges: changes })
  keys.markSaved(changes)
}

const EMPTY_BATCH: Omit<DeliveryBatch, 'lease'> = {
  updates: [],
  transitions: [],
  keyChanges: { rows: [], removed: [] },
  commands: [],
  refsToMark: [],
  dispatchedAt: 0,
  maxNewMails: 0,
  maxReports: 0,
  giveUpDays: 0,
}

function updateGauges({ context: { telemetry } }: DeliveryLoop, { queue, sendingCount }: DeliverySession): void {
  telemetry.setGauge('bounced_queue_waiting', queue.entries.size - sendingCount)
  telemetry.setGauge('bounced_queue_in_flight', sendingCount)
  const keysInBackoff = [...queue.keyStates.values()].filter(
    ({ episodes, manual }) => manual !== null || [...episodes.values()].some(({ state }) => state !== 'active'),
  )
  telemetry.setGauge('bounced_queue_backoff_keys', keysInBackoff.length)
}

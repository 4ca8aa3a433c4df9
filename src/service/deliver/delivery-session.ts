/**
 * delivery-session - what a node holds in memory while it has its lease to deliver, and every change to it
 *
 * A session begins with a lease, an empty queue and no lane groups, and ends with the lease. It collects results, ends, transitions and settled commands; the next batch
 * writes them, and an item is dropped from the session only when it is in the store. `service/deliver/delivery-loop` owns the one mutable value and is the
 * only caller of the functions below; all other files see a `SessionView`.
 *
 * No I/O. See also: service/deliver/delivery-loop, service/deliver/delivery-batch, queue/queue-state.
 */
import { parseDeliveryId } from '../../correlate/delivery-id.ts'
import {
  type Subscribers,
  isQueueNotification,
  type QueueNotification,
  findAccountsToNotify,
} from '../../queue/observe/affected-accounts.ts'
import { formatKey, type BackoffKeyId } from '../../queue/backoff/backoff-key.ts'
import { laneGroupOf, type HeldGroups } from '../../queue/lane-group.ts'
import type { Dispatch, FinalOutcome, QueueEvent } from '../../queue/message.ts'
import type { Queue } from '../../queue/queue.ts'
import { applyAttemptResult } from '../../queue/schedule/attempt-result.ts'
import { recordAnsweringSite } from '../../queue/schedule/other-site.ts'
import type { Lease } from '../../store/engine/lease.ts'
import type { QueuedFeedback } from '../../store/queue/backoff-keys.ts'
import type { QueueCommandResult } from '../../store/queue/commands.ts'
import type { LateResultRow } from '../../store/queue/late-results.ts'
import type { MovedMessage, QueuedMessage, QueuedMessageRef, QueueCursor } from '../../store/queue/queued-mail.ts'
import { isRecorded } from './groups/held-groups.ts'
import { findAffectedDomains, type DomainsByKey } from './affected-domains.ts'
import { mailRefOf, type MailUpdate, type NotifiedTransition, type RetryState } from './mail-update.ts'
import type { SettledAttempt } from './settled-attempt.ts'

/** An attempt from its dispatch by the queue to its result. */
export type PendingAttempt = {
  readonly dispatch: Dispatch
  readonly ref: QueuedMessageRef
  /** The time of its mark in the store. */
  dispatchedAt: number
  /**
   * `awaiting-mark`: not in the store yet; `unanswered`: the commit of the mark was not answered; `ready`: marked, waits for a free connection; `sending`: it has
   * begun.
   */
  phase: 'awaiting-mark' | 'unanswered' | 'ready' | 'sending'
  /** A backoff key closed meanwhile: the attempt must not begin. */
  isRecalled: boolean
}

/** A marked attempt, with the message that the store returned for the mark. */
export type ReadyAttempt = { readonly attempt: PendingAttempt; readonly mail: QueuedMessage }

export type DeliverySession = {
  readonly lease: Lease
  /** The lane groups that the node holds. */
  groups: HeldGroups
  /** Held groups whose messages are not loaded yet. */
  readonly groupsToLoad: Set<number>
  /** Attempts may begin before this moment on the clock for intervals, which a renewal of the lease moves. */
  leaseUntil: number
  readonly queue: Queue
  readonly subscribers: Subscribers
  readonly domainsByKey: DomainsByKey
  /** By the number of the dispatch. */
  readonly pendingAttempts: Map<number, PendingAttempt>
  /** In the order of dispatch. */
  awaitingMark: PendingAttempt[]
  ready: ReadyAttempt[]
  sendingCount: number
  updates: MailUpdate[]
  /** Ends without an attempt, kept apart because a command can cause thousands. */
  endedUpdates: MailUpdate[]
  transitions: NotifiedTransition[]
  readonly changedKeys: Set<BackoffKeyId>
  commandResults: QueueCommandResult[]
  /** Messages whose site is in another group than their row says. */
  moves: MovedMessage[]
  /** Rows from which the queue has learnt, and which are still in the store. */
  lateReports: QueuedFeedback[]
  lateResults: LateResultRow[]
  /** The groups that are being loaded, and their last message that was; loading continues after it. Null: nothing is being loaded. */
  loading: { readonly groups: HeldGroups; readonly cursor: QueueCursor | null } | null
  /** On the clock for intervals, as the next. */
  lastPollAt: number
  lastSnapshotAt: number
  /** A backoff key has changed state since the last snapshot. */
  hasTransitioned: boolean
  /** The last batch could not be committed: nothing new is dispatched. */
  isStoreFailing: boolean
  /** The store holds messages that no session has claimed. */
  hasNewMessages: boolean
  /** Lane groups were acquired or released, and the store did not answer: nothing is done for them until it is known which ones the node holds. */
  isSpreadUnanswered: boolean
  /** No more attempts begin. */
  isEnding: boolean
}

type Viewed<T> =
  T extends Map<infer K, infer V>
    ? ReadonlyMap<K, Readonly<V>>
    : T extends Set<infer V>
      ? ReadonlySet<V>
      : T extends (infer E)[]
        ? readonly E[]
        : T

/** A read-only view of a session. */
export type SessionView = { readonly [Member in keyof DeliverySession]: Viewed<DeliverySession[Member]> }

/** Creates a session in which nothing has happened. */
export function createSession(lease: Lease, queue: Queue, leaseUntil: number): DeliverySession {
  return {
    lease,
    groups: new Set(),
    groupsToLoad: new Set(),
    leaseUntil,
    queue,
    subscribers: new Map(),
    domainsByKey: new Map(),
    pendingAttempts: new Map(),
    awaitingMark: [],
    ready: [],
    sendingCount: 0,
    updates: [],
    endedUpdates: [],
    transitions: [],
    changedKeys: new Set(),
    commandResults: [],
    moves: [],
    lateReports: [],
    lateResults: [],
    loading: null,
    lastPollAt: -Infinity,
    lastSnapshotAt: -Infinity,
    hasTransitioned: false,
    isStoreFailing: false,
    hasNewMessages: true,
    isSpreadUnanswered: false,
    isEnding: false,
  }
}

/** Records what the queue reports: ends without an attempt, transitions of keys, and attempts that must not begin. Returns the transitions. */
export function applyQueueEvents(session: DeliverySession, events: readonly QueueEvent[]): readonly NotifiedTransition[] {
  const transitions: NotifiedTransition[] = []
  for (const event of events) {
    if (isQueueNotification(event)) transitions.push(...recordTransition(session, event))
    else if (event.kind === 'recall') recallAttempts(session, (attempt) => event.numbers.includes(attempt.dispatch.number))
    else if (event.kind === 'mail.ended' && (event.end === 'given-up' || event.end === 'deleted')) {
      const ref = mailRefOf(parseDeliveryId(event.mailId)?.account ?? 0, event.mailId)
      session.endedUpdates.push({ kind: 'ended', ref, at: event.at, end: event.end, blockingKey: event.blockingKey })
    }
  }
  return transitions
}

function recordTransition(session: DeliverySession, event: QueueNotification): readonly NotifiedTransition[] {
  if (event.kind === 'queue.manual' && !event.ended) recallPaused(session, event)
  if (!isRecorded(session.groups, session.queue, event)) return []
  const affected = findAccountsToNotify(session.subscribers, session.queue, event)
  const transition = { event, affected, domains: findAffectedDomains(session.domainsByKey, event, affected) }
  session.transitions.push(transition)
  session.hasTransitioned = true
  if (event.kind !== 'queue.manual') {
    session.changedKeys.add(event.key)
    return [transition]
  }
  const { account, domain, label } = event
  session.changedKeys.add(formatKey({ kind: 'manual', account, domain, label }))
  return [transition]
}

function recallPaused(session: DeliverySession, { account, domain, label }: Extract<QueueNotification, { kind: 'queue.manual' }>): void {
  const hasLabel = ({ mailId }: Dispatch): boolean => label === null || session.queue.entries.get(mailId)?.message.label === label
  const isIn = ({ account: by, domain: to }: Dispatch): boolean => by === account && (domain === null || to === domain)
  recallAttempts(session, ({ dispatch }) => isIn(dispatch) && hasLabel(dispatch))
}

/** Sets the groups that the node holds. Attempts that have not begun are recalled in groups that it does not hold any more. */
export function setGroups(session: DeliverySession, held: HeldGroups): void {
  for (const group of held) if (!session.groups.has(group)) session.groupsToLoad.add(group)
  for (const group of session.groupsToLoad) if (!held.has(group)) session.groupsToLoad.delete(group)
  session.groups = held
  recallAttempts(session, ({ dispatch }) => !held.has(laneGroupOf(dispatch.site)))
}

/** Reads the messages of held groups again: a claim whose commit was not answered may have taken effect, and nobody knows what it took. */
export function reloadGroups(session: DeliverySession, groups: HeldGroups): void {
  for (const group of groups) if (session.groups.has(group)) session.groupsToLoad.add(group)
}

/** Records that the row of a message is to move to the group of its site. */
export function addMove(session: DeliverySession, ref: QueuedMessageRef, { from, to }: Pick<MovedMessage, 'from' | 'to'>): void {
  session.moves.push({ ref, from, to, isFresh: !session.groups.has(to) })
}

/** Prevents attempts from beginning. An attempt that is being sent continues. */
function recallAttempts(session: DeliverySession, isAffected: (attempt: PendingAttempt) => boolean): void {
  for (const attempt of session.pendingAttempts.values()) if (attempt.phase !== 'sending' && isAffected(attempt)) attempt.isRecalled = true
}

/** Begins no more attempts: the lease is lost or the daemon closes. */
export function stopSession(session: DeliverySession): void {
  session.isEnding = true
  recallAttempts(session, () => true)
}

/** Adds the attempts that the queue has dispatched. */
export function addDispatches(session: DeliverySession, dispatches: readonly Dispatch[], now: number): void {
  for (const dispatch of dispatches) {
    const ref = mailRefOf(dispatch.account, dispatch.mailId)
    const attempt: PendingAttempt = { dispatch, ref, dispatchedAt: now, phase: 'awaiting-mark', isRecalled: false }
    session.pendingAttempts.set(dispatch.number, attempt)
    session.awaitingMark.push(attempt)
  }
}

/** Removes and returns the recalled attempts that are not marked yet. */
export function takeRecalled(session: DeliverySession): readonly PendingAttempt[] {
  const recalled = session.awaitingMark.filter(({ isRecalled }) => isRecalled || session.isEnding)
  if (recalled.length > 0) session.awaitingMark = session.awaitingMark.filter((attempt) => !recalled.includes(attempt))
  return recalled
}

/** Removes and returns the attempts whose mark may be in the store: its commit was not answered. Each is marked again when it is dispatched again. */
export function takeUnanswered(session: DeliverySession): readonly PendingAttempt[] {
  const unanswered = session.awaitingMark.splice(0)
  for (const attempt of unanswered) attempt.phase = 'unanswered'
  return unanswered
}

/** Whether an attempt may begin at a moment on the clock for intervals. */
export const canBegin = (session: SessionView, { isRecalled }: PendingAttempt, elapsed: number): boolean =>
  !isRecalled && !session.isEnding && elapsed < session.leaseUntil

/**
 * Gives the result of an attempt to the queue and collects the update of the message's row. Returns how the message ended (null: it stays in the queue until
 * `dueAt`), and the queue's other events, which the caller applies.
 */
export function settleAttempt(
  session: DeliverySession,
  attempt: PendingAttempt,
  { result, readingFor, otherSite, transfer }: SettledAttempt,
  now: number,
): { readonly end: FinalOutcome | null; readonly dueAt: number; readonly events: readonly QueueEvent[] } {
  const { dispatch, ref, dispatchedAt, phase } = attempt
  const { number, mailId } = dispatch
  session.pendingAttempts.delete(number)
  if (otherSite !== null) {
    const isCounted = session.groups.has(laneGroupOf(otherSite.site))
    recordAnsweringSite(session.queue, number, { ...otherSite, isCounted })
  }
  const events = applyAttemptResult(session.queue, number, result, now)
  const ownEvent = events.find((event) => 'mailId' in event && event.mailId === mailId)
  const end = ownEvent?.kind === 'mail.ended' ? ownEvent.end : null
  const attemptReading = readingFor(end)
  const retry = retryStateOf(session, dispatch, ownEvent?.kind === 'mail.deferred' ? ownEvent.dueAt : now)
  if (attemptReading !== null) {
    const feedback = { mailId, to: { ...dispatch, ...otherSite }, result, dispatchedAt }
    session.updates.push({ kind: 'attempted', ref, attemptReading, transfer, at: now, dispatchedAt, end, retry, feedback })
  } else if (phase !== 'awaiting-mark') session.updates.push({ kind: 'unsent', ref, domain: dispatch.domain, dispatchedAt, retry })
  return { end, dueAt: retry.dueAt, events: events.filter((event) => event !== ownEvent) }
}

function retryStateOf({ queue }: SessionView, { mailId, attempt }: Dispatch, dueAt: number): RetryState {
  const entry = queue.entries.get(mailId)
  return { dueAt, attempts: entry?.attempts ?? attempt, refusedBy: entry?.refusedBy ?? [] }
}

/** Makes the first marked attempts ready, with the messages that the store returned. Returns those whose message is no longer in the store. */
export function markReady(session: DeliverySession, count: number, dispatched: readonly QueuedMessage[]): readonly PendingAttempt[] {
  const mails = new Map(dispatched.map((mail) => [mail.deliveryId, mail]))
  const missing: PendingAttempt[] = []
  for (const attempt of session.awaitingMark.splice(0, count)) {
    const mail = mails.get(attempt.ref.deliveryId)
    if (mail === undefined) {
      session.pendingAttempts.delete(attempt.dispatch.number)
      missing.push(attempt)
    } else {
      attempt.phase = 'ready'
      session.ready.push({ attempt, mail })
    }
  }
  return missing
}

/** What a transaction has written. */
type WrittenUpdates = Pick<SessionView, 'updates' | 'transitions' | 'commandResults' | 'moves' | 'lateReports' | 'lateResults'>

/** Drops what is in the store; what came meanwhile stays. */
export function dropWritten(session: DeliverySession, { updates, transitions, commandResults, moves, ...late }: WrittenUpdates): void {
  const written = new Set(updates)
  session.updates = session.updates.filter((update) => !written.has(update))
  session.endedUpdates = session.endedUpdates.filter((update) => !written.has(update))
  session.transitions = session.transitions.slice(transitions.length)
  session.commandResults = session.commandResults.slice(commandResults.length)
  session.moves = session.moves.slice(moves.length)
  session.lateReports = session.lateReports.slice(late.lateReports.length)
  session.lateResults = session.lateResults.slice(late.lateResults.length)
}

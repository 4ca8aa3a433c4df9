/**
 * delivery-session - all that a node holds in memory while it is the one that delivers
 *
 * A term begins with a lease and an empty queue, into which mail and keys are loaded, and ends with the lease. It is one mutable value,
 * owned by the deliverer; what it collects (answers, ends, moves, orders) goes into the store with the next turn and is dropped from here
 * only when it is there.
 *
 * See also: service/deliver/deliverer (the turns), service/deliver/delivery-commit (what is written), queue/queue-state.
 */
import { monthOfDelivery, parseDeliveryId } from '../../correlate/delivery-id.ts'
import {
  type Subscribers,
  isQueueNotification,
  type AffectedAccount,
  type QueueNotification,
  findAccountsToNotify,
} from '../../queue/observe/affected-accounts.ts'
import type { BackoffKey } from '../../queue/backoff/backoff-key.ts'
import type { Dispatch, BlockingKey, FinalOutcome, QueueEvent } from '../../queue/message.ts'
import type { Queue } from '../../queue/queue.ts'
import type { Lease } from '../../store/engine/lease.ts'
import type { QueuedMessageRef, QueueCursor, QueuedMessage } from '../../store/queue/queued-mail.ts'
import type { QueueCommand } from '../../store/queue/commands.ts'
import type { RecordedAttempt } from '../../ledger/decide/attempt-reading.ts'

/** A dispatch from the moment at which the queue gives it out to the one at which its answer is heard. */
export type PendingAttempt = {
  readonly dispatch: Dispatch
  readonly ref: QueuedMessageRef
  /** The date of its mark. */
  dispatchedAt: number
  /** `marking`: about to be marked; `staged`: marked, waits for a free line; `sending`: it has begun. */
  phase: 'marking' | 'staged' | 'sending'
  /** A key closed meanwhile: it must not begin. */
  isRecalled: boolean
}

/** A mail that stays in the queue. */
export type RetryState = { readonly dueAt: number; readonly attempts: number; readonly refusedBy: readonly string[] }

/** One mail whose state is to be written. */
export type MailUpdate =
  /** An attempt was answered. `end` null: the mail stays. */
  | {
      readonly kind: 'answered'
      readonly ref: QueuedMessageRef
      readonly attemptReading: RecordedAttempt
      readonly at: number
      readonly dispatchedAt: number
      readonly end: FinalOutcome | null
      readonly retry: RetryState
    }
  /** An attempt was not made, or nothing of it is to be told. */
  | { readonly kind: 'recalled'; readonly ref: QueuedMessageRef; readonly dispatchedAt: number; readonly retry: RetryState }
  /** It ended without an attempt. */
  | {
      readonly kind: 'ended'
      readonly ref: QueuedMessageRef
      readonly at: number
      readonly end: 'given-up' | 'deleted'
      /** Why one waited that was never answered. */
      readonly heldBy: BlockingKey | null
    }

/** A move of a key, with who is told of it. */
export type NotifiedTransition = { readonly event: QueueNotification; readonly affected: readonly AffectedAccount[] }

export type DeliverySession = {
  readonly lease: Lease
  /** Our right to begin an attempt ends here unless it is renewed. */
  leaseUntil: number
  readonly queue: Queue
  readonly subscribers: Subscribers
  readonly pendingAttempts: Map<number, PendingAttempt>
  /** Waiting to be marked, in the order in which the queue gave them out. */
  awaitingMark: PendingAttempt[]
  /** Marked, with the mail that the mark gave back. */
  ready: { readonly attempt: PendingAttempt; readonly mail: QueuedMessage }[]
  sendingCount: number
  updates: MailUpdate[]
  endedUpdates: MailUpdate[]
  transitions: NotifiedTransition[]
  readonly changedKeys: Set<BackoffKey>
  commands: QueueCommand[]
  isLoaded: boolean
  /** The last mail that was loaded: where loading goes on after the store was away. */
  loadCursor: QueueCursor | null
  /** When the store was last asked what came in, and when keys and lanes were last written down. */
  lastPollAt: number
  lastSnapshotAt: number
  /** A key has moved since then. */
  hasTransitioned: boolean
  /** The store did not take the last turn: nothing new is given out. */
  isStoreFailing: boolean
  /** Rows that nobody has taken, or reports, wait in the store. */
  hasNewMails: boolean
  hasReports: boolean
  /** Nothing new is sent. */
  isEnding: boolean
}

/** A term in which nothing has happened. */
export function createSession(lease: Lease, queue: Queue, leaseUntil: number): DeliverySession {
  return {
    lease,
    leaseUntil,
    queue,
    subscribers: new Map(),
    pendingAttempts: new Map(),
    awaitingMark: [],
    ready: [],
    sendingCount: 0,
    updates: [],
    endedUpdates: [],
    transitions: [],
    changedKeys: new Set(),
    commands: [],
    isLoaded: false,
    loadCursor: null,
    lastPollAt: 0,
    lastSnapshotAt: 0,
    hasTransitioned: false,
    isStoreFailing: false,
    hasNewMails: true,
    hasReports: true,
    isEnding: false,
  }
}

/** The row of a mail. */
export const mailRefOf = (account: number, deliveryId: string): QueuedMessageRef => ({
  account,
  deliveryId,
  deliveryMonth: monthOfDelivery(deliveryId),
})

/** Takes in what the queue says has happened: ends without an attempt, moves of keys, and what must not begin. */
export function applyQueueEvents(session: DeliverySession, events: readonly QueueEvent[]): void {
  for (const event of events) {
    if (isQueueNotification(event)) recordTransition(session, event)
    else if (event.kind === 'recall') recallAttempts(session, (attempt) => event.numbers.includes(attempt.dispatch.number))
    else if (event.kind === 'mail.ended' && (event.end === 'given-up' || event.end === 'deleted')) {
      // What waits has a name of ours, which says whose it is.
      const ref = mailRefOf(parseDeliveryId(event.mailId)?.account ?? 0, event.mailId)
      session.endedUpdates.push({ kind: 'ended', ref, at: event.at, end: event.end, heldBy: event.heldBy })
    }
  }
}

function recordTransition(session: DeliverySession, event: QueueNotification): void {
  session.transitions.push({ event, affected: findAccountsToNotify(session.subscribers, session.queue, event) })
  if (event.kind !== 'queue.manual') {
    session.changedKeys.add(event.key)
    return
  }
  session.changedKeys.add(`manual|${event.account}|${event.domain ?? '*'}`)
  const { account, domain } = event
  if (!event.ended)
    recallAttempts(
      session,
      ({ dispatch: destination }) => destination.account === account && (domain === null || destination.domain === domain),
    )
}

/** What has not begun does not begin. */
export function recallAttempts(session: DeliverySession, isAffected: (attempt: PendingAttempt) => boolean): void {
  for (const attempt of session.pendingAttempts.values()) if (attempt.phase !== 'sending' && isAffected(attempt)) attempt.isRecalled = true
}

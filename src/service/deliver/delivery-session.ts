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
import { type Audience, isTold, type Behind, type Told, toldOf } from '../../queue/observe/affected-accounts.ts'
import type { KeyId } from '../../queue/backoff/backoff-key.ts'
import type { Dispatch, HeldBy, MailEnd, QueueEvent } from '../../queue/message.ts'
import type { Queue } from '../../queue/queue.ts'
import type { Lease } from '../../store/engine/lease.ts'
import type { MailRef, QueueCursor, QueuedMail } from '../../store/queue/queued-mail.ts'
import type { QueueCommand } from '../../store/queue/commands.ts'
import type { Said } from './attempt-reading.ts'

/** A dispatch from the moment at which the queue gives it out to the one at which its answer is heard. */
export type InHand = {
  readonly dispatch: Dispatch
  readonly ref: MailRef
  /** The date of its mark. */
  markedAt: number
  /** `marking`: about to be marked; `staged`: marked, waits for a free line; `sending`: it has begun. */
  place: 'marking' | 'staged' | 'sending'
  /** A key closed meanwhile: it must not begin. */
  isRecalled: boolean
}

/** A mail that stays in the queue. */
export type Stays = { readonly dueAt: number; readonly attempts: number; readonly refusedBy: readonly string[] }

/** One mail whose state is to be written. */
export type Done =
  /** An attempt was answered. `end` null: the mail stays. */
  | {
      readonly kind: 'answered'
      readonly ref: MailRef
      readonly said: Omit<Said, 'answer'>
      readonly at: number
      readonly markedAt: number
      readonly end: MailEnd | null
      readonly stays: Stays
    }
  /** An attempt was not made, or nothing of it is to be told. */
  | { readonly kind: 'recalled'; readonly ref: MailRef; readonly markedAt: number; readonly stays: Stays }
  /** It ended without an attempt. */
  | {
      readonly kind: 'ended'
      readonly ref: MailRef
      readonly at: number
      readonly end: 'given-up' | 'deleted'
      /** Why one waited that was never answered. */
      readonly heldBy: HeldBy | null
    }

/** A move of a key, with who is told of it. */
export type Moved = { readonly event: Told; readonly behind: readonly Behind[] }

export type Term = {
  readonly lease: Lease
  /** Our right to begin an attempt ends here unless it is renewed. */
  leaseUntil: number
  readonly queue: Queue
  readonly audience: Audience
  readonly inHand: Map<number, InHand>
  /** Waiting to be marked, in the order in which the queue gave them out. */
  marking: InHand[]
  /** Marked, with the mail that the mark gave back. */
  staged: { readonly hand: InHand; readonly mail: QueuedMail }[]
  sending: number
  done: Done[]
  ended: Done[]
  moves: Moved[]
  readonly movedKeys: Set<KeyId>
  orders: QueueCommand[]
  isLoaded: boolean
  /** The last mail that was loaded: where loading goes on after the store was away. */
  loadedTo: QueueCursor | null
  /** When the store was last asked what came in, and when keys and lanes were last written down. */
  polledAt: number
  notedAt: number
  /** A key has moved since then. */
  hasMoved: boolean
  /** The store did not take the last turn: nothing new is given out. */
  isStuck: boolean
  /** Rows that nobody has taken, or reports, wait in the store. */
  hasFresh: boolean
  hasReports: boolean
  /** Nothing new is sent. */
  isEnding: boolean
}

/** A term in which nothing has happened. */
export function openTerm(lease: Lease, queue: Queue, leaseUntil: number): Term {
  return {
    lease,
    leaseUntil,
    queue,
    audience: new Map(),
    inHand: new Map(),
    marking: [],
    staged: [],
    sending: 0,
    done: [],
    ended: [],
    moves: [],
    movedKeys: new Set(),
    orders: [],
    isLoaded: false,
    loadedTo: null,
    polledAt: 0,
    notedAt: 0,
    hasMoved: false,
    isStuck: false,
    hasFresh: true,
    hasReports: true,
    isEnding: false,
  }
}

/** The row of a mail. */
export const refOf = (account: number, deliveryId: string): MailRef => ({
  account,
  deliveryId,
  deliveryMonth: monthOfDelivery(deliveryId),
})

/** Takes in what the queue says has happened: ends without an attempt, moves of keys, and what must not begin. */
export function follow(term: Term, events: readonly QueueEvent[]): void {
  for (const event of events) {
    if (isTold(event)) tell(term, event)
    else if (event.kind === 'recall') recall(term, (hand) => event.numbers.includes(hand.dispatch.number))
    else if (event.kind === 'mail.ended' && (event.end === 'given-up' || event.end === 'deleted')) {
      // What waits has a name of ours, which says whose it is.
      const ref = refOf(parseDeliveryId(event.mailId)?.account ?? 0, event.mailId)
      term.ended.push({ kind: 'ended', ref, at: event.at, end: event.end, heldBy: event.heldBy })
    }
  }
}

function tell(term: Term, event: Told): void {
  term.moves.push({ event, behind: toldOf(term.audience, term.queue, event) })
  if (event.kind !== 'queue.manual') {
    term.movedKeys.add(event.key)
    return
  }
  term.movedKeys.add(`manual|${event.account}|${event.domain ?? '*'}`)
  const { account, domain } = event
  if (!event.ended) recall(term, ({ dispatch: to }) => to.account === account && (domain === null || to.domain === domain))
}

/** What has not begun does not begin. */
export function recall(term: Term, isMeant: (hand: InHand) => boolean): void {
  for (const hand of term.inHand.values()) if (hand.place !== 'sending' && isMeant(hand)) hand.isRecalled = true
}

/**
 * message - what the queue is given, what it hands out, and what it hears back
 *
 * A mail is offered once, handed out as a dispatch as often as it takes, and ends once: delivered, failed, given up or deleted. A
 * dispatch is one attempt by one IP; whoever carries it answers it once. What we say ourselves (`recalled`) never counts.
 *
 * Pure. See also: queue/queue (who does it), queue/backoff/backoff-key (where a mail goes).
 */
import type { ReadResult } from '../ledger/decide/attempt-reading.ts'
import type { Destination, BackoffKey } from './backoff/backoff-key.ts'
import type { BackoffClassName } from './backoff/backoff-classes.ts'
import type { BackoffState } from './backoff/backoff-state.ts'

/** Ours alone: a deliveryId, or a number in a simulation. */
export type MailId = string

export type QueueMessage = Destination & {
  readonly id: MailId
  /** When it was accepted for sending: it is given up so long after. */
  readonly acceptedAt: number
  /** Attempts that were made before it was offered (after a restart). */
  readonly attempts: number
  /** Not before; 0: at once. */
  readonly dueAt: number
  /** IPs that refused it before it was offered. */
  readonly refusedBy?: readonly string[]
}

/** One attempt, to be made now. Numbers rise and are never reused. */
export type Dispatch = Destination & {
  readonly number: number
  readonly mailId: MailId
  readonly egressIp: string
  /** From 1. */
  readonly attempt: number
  /** It tries whether a pause is over. */
  readonly probe: boolean
  readonly at: number
}

export type AttemptResult =
  | ReadResult
  /** It was not sent: the transport gave it back. */
  | { readonly kind: 'recalled' }

/** One of the up to five responses that an episode keeps. */
export type EvidenceReply = { readonly at: number; readonly mailId: MailId; readonly code: number | null; readonly text: string }

export type BackoffTransitionKind = 'queue.throttled' | 'queue.paused' | 'queue.probing' | 'queue.recovering' | 'queue.recovered'

/** A key moved. The store and the webhooks take it as it is. */
export type BackoffTransition = {
  readonly kind: BackoffTransitionKind
  readonly at: number
  readonly key: BackoffKey
  readonly class: BackoffClassName | null
  readonly from: BackoffState
  readonly to: BackoffState
  readonly n: number
  readonly epoch: number
  /** Null: only an operator ends it, or it is open. */
  readonly nextSendingAt: number | null
  readonly evidence: readonly EvidenceReply[]
  /** A human should look. */
  readonly alarm: boolean
  readonly by: 'queue' | 'operator'
}

export type FinalOutcome = 'delivered' | 'failed' | 'given-up' | 'deleted'

/** The key that kept a mail from leaving, and the last reply that it keeps. `class` null: a limit or a pause of our own. */
export type BlockingKey = { readonly key: BackoffKey; readonly class: BackoffClassName | null; readonly reply: EvidenceReply | null }

export type QueueEvent =
  | BackoffTransition
  /** A manual pause began or ended; `domain` null: all of the account. */
  | {
      readonly kind: 'queue.manual'
      readonly at: number
      readonly account: number
      readonly domain: string | null
      readonly until: number | null
      readonly ended: boolean
    }
  /** The mail is out of the queue. `last` is the last answer that it had; `heldBy`: for one that was given up without any, why it waited. */
  | {
      readonly kind: 'mail.ended'
      readonly at: number
      readonly mailId: MailId
      readonly end: FinalOutcome
      readonly attempts: number
      readonly last: AttemptResult | null
      readonly heldBy: BlockingKey | null
    }
  /** It stays, and is tried again not before `dueAt`. */
  | { readonly kind: 'mail.deferred'; readonly at: number; readonly mailId: MailId; readonly attempts: number; readonly dueAt: number }
  /** These are in flight for a key that just closed: what has not begun should be answered `recalled`. */
  | { readonly kind: 'recall'; readonly at: number; readonly key: BackoffKey; readonly numbers: readonly number[] }

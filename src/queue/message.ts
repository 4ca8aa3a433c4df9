/**
 * message - the queue's input and output: messages, dispatches, attempt results and events
 *
 * A message is enqueued once, dispatched as often as needed, and ends once: delivered, failed, given up or deleted. A dispatch is one attempt
 * by one egress IP, and gets exactly one result. A result of our own (`recalled`) never counts.
 *
 * Types, and the tables that they are derived from. See also: queue/queue (the functions), queue/backoff/backoff-key (destinations),
 * ledger/decide/attempt-reading (reads a reply).
 */
import type { ReadResult } from '../ledger/decide/attempt-reading.ts'
import type { BackoffClassName } from './backoff/backoff-classes.ts'
import type { BackoffKeyId, Destination } from './backoff/backoff-key.ts'
import type { BackoffState } from './backoff/backoff-state.ts'

/** A deliveryId, or the id of a simulated message. */
export type MailId = string

export type QueueMessage = Destination & {
  readonly id: MailId
  /** When it was accepted for sending, or its send time. Its lifetime starts here. */
  readonly acceptedAt: number
  /** When a message with a send time was accepted; absent: it has none. */
  readonly requestedAt?: number
  /** Attempts made before it was enqueued (after a restart). */
  readonly attempts: number
  /** Not to be sent before: its send time or its next retry; 0: at once. */
  readonly dueAt: number
  /** The name of its label; absent: it has none. */
  readonly labelName?: string
  /** Egress IPs that were refused before it was enqueued. */
  readonly refusedBy?: readonly string[]
  /** The number of its label; absent: it has none. */
  readonly label?: number
  /** Absent: transactional. */
  readonly isBatch?: true
}

/** One attempt, to be made now. Numbers rise and are never reused. */
export type Dispatch = Destination & {
  readonly number: number
  readonly mailId: MailId
  readonly egressIp: string
  /** From 1. */
  readonly attempt: number
  /** Whether the pool has another egress IP that has not refused the message. */
  readonly hasOtherIp: boolean
  /** Whether it probes a paused key. */
  readonly probe: boolean
  readonly at: number
}

export type AttemptResult =
  | ReadResult
  /** Not sent: the transport gave it back. */
  | { readonly kind: 'recalled' }

/** One of the up to five replies that an episode keeps. */
export type EvidenceReply = { readonly at: number; readonly mailId: MailId; readonly code: number | null; readonly text: string }

/** The event of a transition, by the state that it leads to. */
export const TRANSITION_KINDS = {
  active: 'queue.recovered',
  throttled: 'queue.throttled',
  paused: 'queue.paused',
  probing: 'queue.probing',
  recovering: 'queue.recovering',
} as const satisfies Record<BackoffState, string>

export type KeyTransitionKind = (typeof TRANSITION_KINDS)[BackoffState]

/** A transition of a backoff key. The store and the webhooks take it as it is. */
export type KeyTransition = {
  readonly kind: KeyTransitionKind
  readonly at: number
  readonly key: BackoffKeyId
  readonly class: BackoffClassName | null
  readonly from: BackoffState
  readonly to: BackoffState
  readonly n: number
  readonly epoch: number
  /** Null: only an operator ends the pause. */
  readonly nextSendingAt: number | null
  readonly evidence: readonly EvidenceReply[]
  /** Whether it needs a person. */
  readonly alarm: boolean
  readonly by: 'queue' | 'operator'
}

export type FinalOutcome = 'delivered' | 'failed' | 'given-up' | 'deleted'

/** The key that keeps a message from being sent, and the last reply that it holds. `class` null: a limit or a pause of our own. */
export type BlockingKey = { readonly key: BackoffKeyId; readonly class: BackoffClassName | null; readonly reply: EvidenceReply | null }

export type QueueEvent =
  | KeyTransition
  /** A manual pause started or ended. `domain` null: all domains of the account; `label` null: messages with any label and without one. */
  | {
      readonly kind: 'queue.manual'
      readonly at: number
      readonly account: number
      readonly domain: string | null
      readonly label: number | null
      readonly until: number | null
      readonly ended: boolean
    }
  /** The message left the queue. `last`: its last result; `blockingKey`: for a message that expired without any result, why it waited. */
  | {
      readonly kind: 'mail.ended'
      readonly at: number
      readonly mailId: MailId
      readonly end: FinalOutcome
      readonly attempts: number
      readonly last: AttemptResult | null
      readonly blockingKey: BlockingKey | null
    }
  /** The message stays and is not retried before `dueAt`. */
  | { readonly kind: 'mail.deferred'; readonly at: number; readonly mailId: MailId; readonly attempts: number; readonly dueAt: number }
  /** Dispatches in flight under a key that has just closed. Those that have not started should get the result `recalled`. */
  | { readonly kind: 'recall'; readonly at: number; readonly key: BackoffKeyId; readonly numbers: readonly number[] }

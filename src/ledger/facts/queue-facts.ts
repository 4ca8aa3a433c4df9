/**
 * queue-facts - payload of a transition of a backoff key
 *
 * One transition is a fact of the operator (account 0) if the key is shared, and one fact of each account with messages waiting behind
 * the key. An account's fact names no other account's mail. Queue states and classes are plain text here, because the queue lies above
 * the ledger.
 *
 * Payload of ledger/facts/fact-kinds. Pure. See also: queue/observe/transition-facts (creates these facts).
 */
import type { FieldClasses } from './fact-fields.ts'

/** How a key moved. The last two are the manual pause, which is independent of the states. */
export type BackoffMove = 'throttled' | 'paused' | 'probing' | 'recovering' | 'recovered' | 'manual-paused' | 'manual-ended'

/** A reply that is stored as evidence. `text` is null if it answered another account's mail. Local parts are removed. */
export type QueueReply = { readonly at: number; readonly code: number | null; readonly text: string | null }

export type QueueData = {
  readonly move: BackoffMove
  /** As queue/backoff/backoff-key writes it. */
  readonly key: string
  /** In the words that a user reads: `IP reputation`, `Domain limitation` … */
  readonly reason: string
  readonly class: string | null
  readonly n: number
  readonly from: string | null
  readonly to: string
  /** Null: sending is not stopped, or only an operator can resume it. */
  readonly nextSendingAt: number | null
  /** The account's receiving domains that wait behind the key, at most 20; empty in the operator's fact. */
  readonly domains: readonly string[]
  /** Messages that wait behind the key: the account's own, or those of all accounts in the operator's fact. */
  readonly waiting: number
  readonly evidence: readonly QueueReply[]
  readonly by: 'queue' | 'operator'
  /** The queue that another MTA keeps (queue/advice); absent: our own. */
  readonly source?: 'mta'
}

export const QUEUE_FIELDS = {
  key: 'text',
  reason: 'text',
  class: 'text',
  from: 'text',
  to: 'text',
  domains: 'text',
  evidence: 'text',
} as const satisfies FieldClasses<QueueData>

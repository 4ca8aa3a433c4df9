/**
 * queue-facts - a key of the delivery queue moved, as a fact
 *
 * Shapes of ledger/facts/fact. One transition is a fact of the operator (account 0), where the key is shared, and one of each account whose
 * mail waits behind it: what is told to an account names no other's mail. Words of the queue (class, state) are text here, since the
 * ledger lies below it.
 *
 * Pure. See also: queue/observe/transition-facts (who makes them), spec pause.
 */

/** What a key did. The last two are the overlay of a person, beside the states. */
const BACKOFF_TRANSITIONS = ['throttled', 'paused', 'probing', 'recovering', 'recovered', 'manual-paused', 'manual-ended'] as const
export type BackoffTransition = (typeof BACKOFF_TRANSITIONS)[number]

/** An answer that is kept as evidence; `text` is null where it was given to another account's mail. Local parts are left out. */
export type QueueReply = { readonly at: number; readonly code: number | null; readonly text: string | null }

export type QueueData = {
  readonly move: BackoffTransition
  /** As queue/backoff/backoff-key writes it. */
  readonly key: string
  /** In the words that a user reads: `IP reputation`, `Domain limitation` … */
  readonly reason: string
  readonly class: string | null
  readonly n: number
  readonly from: string | null
  readonly to: string
  /** Null: it is open, or only an operator opens it. */
  readonly nextSendingAt: number | null
  /** The account's receiving domains that wait behind the key, at most 20; of the operator's fact none. */
  readonly domains: readonly string[]
  /** Mails that wait behind it: the account's own; of the operator's fact everybody's. */
  readonly waiting: number
  readonly evidence: readonly QueueReply[]
  readonly by: 'queue' | 'operator'
}

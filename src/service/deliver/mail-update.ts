/**
 * mail-update - what a delivery session has to write into the store: changes of queued messages and notified transitions of backoff keys
 *
 * Types, and the key of a queued message's row. See also: service/deliver/delivery-session (collects them), service/deliver/delivery-commit (writes them).
 */
import { monthOfDelivery } from '../../correlate/delivery-id.ts'
import type { RecordedAttempt, SmtpPhase } from '../../ledger/decide/attempt-reading.ts'
import type { LateResult } from '../../queue/backoff/late-result.ts'
import type { AffectedAccount, QueueNotification } from '../../queue/observe/affected-accounts.ts'
import type { BlockingKey, FinalOutcome } from '../../queue/message.ts'
import type { AttemptConnection } from '../../smtp-client/transport.ts'
import type { QueuedMessageRef } from '../../store/queue/queued-mail.ts'

/** How the message of an attempt went over the network. */
export type AttemptTransfer = {
  /** Epoch ms. */
  readonly startedAt: number
  readonly totalMs: number
  /** Of the message. */
  readonly bytes: number
  /** Null: without a reply. */
  readonly phase: SmtpPhase | null
  /** The last connection; null: none was tried. */
  readonly connection: AttemptConnection | null
}

/** The row of a message that stays in the queue. */
export type RetryState = { readonly dueAt: number; readonly attempts: number; readonly refusedBy: readonly string[] }

/** One message whose state is to be written. */
export type MailUpdate =
  /** An attempt was made. `end` null: the message stays in the queue. */
  | {
      readonly kind: 'attempted'
      readonly ref: QueuedMessageRef
      readonly attemptReading: RecordedAttempt
      /** Absent or null: nothing was sent, or nobody knows how. */
      readonly transfer?: AttemptTransfer | null
      readonly at: number
      readonly dispatchedAt: number
      readonly end: FinalOutcome | null
      readonly retry: RetryState
      /** What backoff keys learn from it; null: nothing. */
      readonly feedback: LateResult | null
    }
  /** The message was marked, but not sent. */
  | {
      readonly kind: 'unsent'
      readonly ref: QueuedMessageRef
      readonly domain: string
      readonly dispatchedAt: number
      readonly retry: RetryState
    }
  /** The message ended without an attempt. */
  | {
      readonly kind: 'ended'
      readonly ref: QueuedMessageRef
      readonly at: number
      readonly end: 'given-up' | 'deleted'
      /** The key that kept a message waiting that never had a reply. */
      readonly blockingKey: BlockingKey | null
    }

/** A transition of a backoff key, with the accounts that are notified and the recipient domains that it affects. */
export type NotifiedTransition = {
  readonly event: QueueNotification
  readonly affected: readonly AffectedAccount[]
  readonly domains: readonly string[]
}

/** The key of a queued message's row. */
export const mailRefOf = (account: number, deliveryId: string): QueuedMessageRef => ({
  account,
  deliveryId,
  deliveryMonth: monthOfDelivery(deliveryId),
})

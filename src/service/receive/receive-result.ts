/**
 * receive-result - the outcome of one received mail
 *
 * See also: service/receive/receive, import/replay.
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import type { InboxReason } from '../../ledger/facts/inbox-facts.ts'
import type { ReportKind } from '../../mail/report.ts'

export type ReceiveResult = {
  readonly digest: string
  readonly kind: ReportKind
  /** The account that the mail concerns; 0 if unknown. */
  readonly account: number
  readonly deliveryId: string | null
  /** The same mail was received before, so nothing changed. */
  readonly isDuplicate: boolean
  /** Why the mail is in the inbox; null if it is not. */
  readonly inboxReason: InboxReason | null
  /** The facts that it created, in order. */
  readonly facts: readonly Fact[]
  /** The sub statuses that it set. */
  readonly subStatuses: readonly number[]
}

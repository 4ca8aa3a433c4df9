/**
 * receive-result - what became of one mail, for the door that brought it
 *
 * See also: service/receive/receive, import/replay.
 */
import type { Fact } from '../../ledger/facts/fact.ts'
import type { InboxReason } from '../../ledger/facts/inbox-facts.ts'
import type { ReportKind } from '../../mail/report.ts'

export type ReceiveResult = {
  readonly digest: string
  readonly kind: ReportKind
  /** The account that it was tied to; 0: nobody's. */
  readonly account: number
  readonly deliveryId: string | null
  /** The same mail came before: nothing changed. */
  readonly isDuplicate: boolean
  /** Why it lies in the inbox; null when it does not. */
  readonly inboxReason: InboxReason | null
  /** What it added, in order. A replay that was told so prints them. */
  readonly facts: readonly Fact[]
  /** Sub statuses that it set. */
  readonly subStatuses: readonly number[]
}

/**
 * fact - an immutable record of something that happened
 *
 * A fact stores the decision as well as its input, so that folding facts reads no setting, rule or clock. Two facts with the same
 * `subject`, `deliveryMonth` and `dedupKey` are the same: one event reported in two forms counts once, an event that recurs counts again.
 *
 * Pure. See also: ledger/facts/fact-kinds (kinds and their payloads), ledger/facts/new-fact (creates facts), ledger/project/fold (turns
 * facts into rows), ledger/decide/report (decides facts).
 */
import type { FactData, FactKind } from './fact-kinds.ts'

type FactEnvelope<K extends FactKind> = {
  /** UUIDv7, lower-case hex with dashes. */
  readonly id: string
  readonly kind: K
  readonly v: number
  /** When it happened, in epoch milliseconds. */
  readonly at: number
  /** When we learned of it, in epoch milliseconds. */
  readonly receivedAt: number
  /** 0: the operator's. */
  readonly account: number
  readonly deliveryId: string | null
  /** yyyymm of the delivery's registration, so that a late fact is stored with it; 0 if it belongs to no delivery. */
  readonly deliveryMonth: number
  /** The deliveryId, `list:…`, `mail:…`, `site:…`, `address:…`, `alert:…`, `flood:…`, `endpoint:…`, `queue:…`, `tls-report:…` or `audit:…`. */
  readonly subject: string
  readonly dedupKey: string
  readonly addressHash: string | null
  readonly data: FactData[K]
}

export type FactOf<K extends FactKind> = { readonly [Kind in K]: FactEnvelope<Kind> }[K]
export type Fact = FactOf<FactKind>

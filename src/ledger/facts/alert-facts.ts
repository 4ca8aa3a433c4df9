/**
 * alert-facts - an alert was raised or is over, as a fact
 *
 * Shape of ledger/facts/fact. Pure. See also: ledger/alert/alert.
 */
import type { AlertName } from '../alert/alert-rules.ts'

export type AlertData = {
  readonly alert: AlertName
  /** What of: an endpoint, a key of the queue, a feedback loop; '' where the account or the installation is meant. */
  readonly about: string
  readonly state: 'raised' | 'cleared'
  /** The number of the change: odd where it was raised. */
  readonly change: number
  /** Null: it cannot be measured any more. */
  readonly value: number | null
  readonly volume: number
  readonly raise: number
  readonly clear: number
  readonly minimum: number
  readonly text: string
}

/**
 * alert-facts - payload of an alert that was raised or cleared
 *
 * Payload of ledger/facts/fact-kinds. Pure. See also: ledger/alert/alert.
 */
import type { AlertName } from '../alert/alert-rules.ts'
import type { FieldClasses } from './fact-fields.ts'

export type AlertData = {
  readonly alert: AlertName
  /** The subject: an endpoint, a backoff key, a feedback loop; '' for the account or the installation as a whole. */
  readonly about: string
  readonly state: 'raised' | 'cleared'
  /** The number of the change: odd if it was raised. */
  readonly change: number
  /** Null: it can no longer be measured. */
  readonly value: number | null
  readonly volume: number
  readonly raise: number
  readonly clear: number
  readonly minimum: number
  readonly text: string
}

export const ALERT_FIELDS = { about: 'text', text: 'text' } as const satisfies FieldClasses<AlertData>

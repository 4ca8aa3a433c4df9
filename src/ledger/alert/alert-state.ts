/**
 * alert-state - the state machine of an alert: a measurement becomes a signal, a signal moves the state
 *
 * Pure. See also: ledger/alert/alert-rules (thresholds), ledger/alert/alert (facts).
 */
import { ALERT_RULES, type AlertName, type AlertThreshold } from './alert-rules.ts'

/** `gone`: the subject no longer exists or is no longer watched. `idle`: there was nothing to measure. */
type AlertSignal = 'high' | 'between' | 'low' | 'idle' | 'gone'

/** Transitions: a row for each state, a column for each signal. Without a cell the state stays. */
const ALERT_STATES = {
  clear: { high: 'raised' },
  raised: { low: 'clear', gone: 'clear' },
} as const satisfies Record<string, Partial<Record<AlertSignal, string>>>

export type AlertState = keyof typeof ALERT_STATES

/** The state after a signal. */
export function stepAlert(state: AlertState, signal: AlertSignal): AlertState {
  const row: Partial<Record<AlertSignal, AlertState>> = ALERT_STATES[state]
  return row[signal] ?? state
}

/** One measurement. `value` null: there was nothing to measure. */
export type AlertMeasurement = {
  readonly account: number
  readonly alert: AlertName
  readonly about: string
  readonly value: number | null
  readonly volume: number
}

/** Compares a measurement with its threshold. `threshold` null: the alert is off. */
export function alertSignalOf({ alert, value, volume }: AlertMeasurement, threshold: AlertThreshold | null): AlertSignal {
  if (threshold === null) return 'gone'
  if (value === null || !Number.isFinite(value)) return ALERT_RULES[alert].idle === 'clears' ? 'gone' : 'idle'
  if (value <= threshold.clear) return 'low'
  return value >= threshold.raise && volume >= threshold.minimum ? 'high' : 'between'
}

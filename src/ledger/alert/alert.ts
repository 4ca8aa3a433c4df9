/**
 * alert - whether an alert stands, and the fact of each change
 *
 * A table of two states; what is measured becomes a signal by the thresholds in force. Unlisted means stay.
 *
 * Pure. See also: ledger/alert/alert-rules (the thresholds), service/alerts/alerts (who evaluates and keeps the rows).
 */
import { ALERT_RULES, type AlertName, type AlertThreshold } from './alert-rules.ts'
import type { FactOf } from '../facts/fact.ts'
import { createFact, type FactMoment } from '../facts/new-fact.ts'

/** `gone`: what it was about is no more, or is no longer watched; `idle`: nothing was there to be measured. */
export type AlertSignal = 'high' | 'between' | 'low' | 'idle' | 'gone'

/** A row is where an alert stands, a column what was measured, the cell where it goes. No cell: stay. */
export const ALERT_STATES = {
  clear: { high: 'raised' },
  raised: { low: 'clear', gone: 'clear' },
} as const satisfies Record<string, Partial<Record<AlertSignal, string>>>

export type AlertState = keyof typeof ALERT_STATES

/** Where an alert stands after a signal. */
export function stepAlert(state: AlertState, signal: AlertSignal): AlertState {
  const row: Partial<Record<AlertSignal, AlertState>> = ALERT_STATES[state]
  return row[signal] ?? state
}

/** `value` null: nothing was there to be measured. */
export type AlertMeasurement = {
  readonly account: number
  readonly alert: AlertName
  readonly about: string
  readonly value: number | null
  readonly volume: number
}

/** What a figure says. `threshold` null: nobody watches it. */
export function alertSignalOf({ alert, value, volume }: AlertMeasurement, threshold: AlertThreshold | null): AlertSignal {
  if (threshold === null) return 'gone'
  if (value === null || !Number.isFinite(value)) return ALERT_RULES[alert].idle === 'clears' ? 'gone' : 'idle'
  if (value <= threshold.clear) return 'low'
  return value >= threshold.raise && volume >= threshold.minimum ? 'high' : 'between'
}

export type AlertRow = {
  readonly account: number
  readonly alert: AlertName
  readonly about: string
  readonly state: AlertState
  /** How often it has changed; 0: never. */
  readonly change: number
  /** When it came to stand as it does. */
  readonly since: number
  /** As it was measured last. */
  readonly data: {
    readonly value: number | null
    readonly volume: number
    readonly threshold: AlertThreshold | null
    /** Since when what is measured in minutes lasts. */
    readonly from: number | null
  }
  /** The fact of the last change; '' where there is none. */
  readonly factId: string
  /** The change that was told by mail, and when the next attempt is due. */
  readonly mailed: number
  readonly mailDueAt: number
}

export type AlertObservation = {
  readonly measurement: AlertMeasurement
  readonly threshold: AlertThreshold | null
  readonly from: number | null
}

/** How an alert stands after a measure, and the fact where that is a change. */
export function decideAlert(
  previous: AlertRow | null,
  { measurement, threshold, from }: AlertObservation,
  moment: FactMoment,
): { readonly row: AlertRow; readonly fact: FactOf<'alert'> | null } {
  const { account, alert, about, value, volume } = measurement
  const before: AlertState = previous?.state ?? 'clear'
  const state = stepAlert(before, alertSignalOf(measurement, threshold))
  const data = { value, volume, threshold, from }
  const kept = previous ?? { account, alert, about, change: 0, since: moment.at, factId: '', mailed: 0, mailDueAt: 0 }
  if (state === before) return { row: { ...kept, state, data }, fact: null }
  const change = kept.change + 1
  const fact = createFact('alert', { account, deliveryId: null, addressHash: null, subject: `alert:${alert}:${about}` }, moment, {
    alert,
    about,
    state: state === 'raised' ? 'raised' : 'cleared',
    change,
    value,
    volume,
    ...(threshold ?? { raise: 0, clear: 0, minimum: 0 }),
    text: alertTextOf(measurement, state, threshold),
  })
  return { row: { ...kept, state, data, change, since: moment.at, factId: fact.id, mailDueAt: moment.at }, fact }
}

/** What people read. */
function alertTextOf({ alert, about, value, volume }: AlertMeasurement, state: AlertState, threshold: AlertThreshold | null): string {
  const { unit, what, of } = ALERT_RULES[alert]
  const name = about === '' ? alert : `${alert} of ${about}`
  const figure = (n: number): string => (unit === 'share' ? `${Number((n * 100).toPrecision(3))} %` : `${Math.round(n)} ${unit}`)
  if (value === null || threshold === null) return `${name} is over: it is no longer measured.`
  const limit = state === 'raised' ? `raised at ${figure(threshold.raise)}` : `over at ${figure(threshold.clear)}`
  return `${name} is ${state === 'raised' ? 'raised' : 'over'}: ${what}: ${figure(value)} (${limit}; ${volume} ${of}).`
}

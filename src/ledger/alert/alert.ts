/**
 * alert - the fact of each change of an alert
 *
 * Pure. See also: ledger/alert/alert-state (when an alert changes), ledger/alert/alert-rules (thresholds), service/alerts/alerts (evaluates
 * alerts and stores their rows).
 */
import { ALERT_RULES, type AlertName, type AlertThreshold } from './alert-rules.ts'
import { type AlertMeasurement, type AlertState, alertSignalOf, stepAlert } from './alert-state.ts'
import type { FactOf } from '../facts/fact.ts'
import { createFact, type FactMoment } from '../facts/new-fact.ts'

export type AlertRow = {
  readonly account: number
  readonly alert: AlertName
  readonly about: string
  readonly state: AlertState
  /** How often the alert has changed; 0: never. */
  readonly change: number
  /** When the alert entered its state. */
  readonly since: number
  /** The last measurement. */
  readonly data: {
    readonly value: number | null
    readonly volume: number
    readonly threshold: AlertThreshold | null
    /** When a condition that is measured in minutes began. */
    readonly from: number | null
  }
  /** The fact of the last change; '' if there is none. */
  readonly factId: string
  /** The last change that was sent by mail, and when the next attempt is due by the clock of the store; 0: at once. */
  readonly mailed: number
  readonly mailDueAt: number
}

type AlertObservation = {
  readonly measurement: AlertMeasurement
  readonly threshold: AlertThreshold | null
  readonly from: number | null
}

/** The state of an alert after a measurement, and the fact if the state changed. */
export function decideAlert(
  previous: AlertRow | null,
  { measurement, threshold, from }: AlertObservation,
  moment: FactMoment,
): { readonly row: AlertRow; readonly fact: FactOf<'alert'> | null } {
  const { account, alert, about, value, volume } = measurement
  const before: AlertState = previous?.state ?? 'clear'
  const state = stepAlert(before, alertSignalOf(measurement, threshold))
  const data = { value, volume, threshold, from }
  const row = previous ?? { account, alert, about, change: 0, since: moment.at, factId: '', mailed: 0, mailDueAt: 0 }
  if (state === before) return { row: { ...row, state, data }, fact: null }
  const change = row.change + 1
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
  return { row: { ...row, state, data, change, since: moment.at, factId: fact.id, mailDueAt: 0 }, fact }
}

/** The text of an alert for people. */
function alertTextOf({ alert, about, value, volume }: AlertMeasurement, state: AlertState, threshold: AlertThreshold | null): string {
  const { unit, what, of } = ALERT_RULES[alert]
  const name = about === '' ? alert : `${alert} of ${about}`
  const figure = (n: number): string => (unit === 'share' ? `${Number((n * 100).toPrecision(3))} %` : `${Math.round(n)} ${unit}`)
  if (value === null || threshold === null) return `${name} has cleared: it is no longer measured.`
  const limit = state === 'raised' ? `raised at ${figure(threshold.raise)}` : `clears at ${figure(threshold.clear)}`
  return `${name} ${state === 'raised' ? 'is raised' : 'has cleared'}: ${what}: ${figure(value)} (${limit}; ${volume} ${of}).`
}

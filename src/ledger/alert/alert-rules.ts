/**
 * alert-rules - what people are alerted of, as a table: the measure, when an alert is raised, when it is over, and how much must be there
 *
 * Raised at `raise` and above, over at `clear` and below; between the two it stays as it is, so that a figure that trembles tells nobody
 * twice. Below the least volume nothing is raised: one bounce of two mails is no rate. A threshold is changed by one short text:
 *
 *     bounce-rate=0.08/0.04/500     raise at 8 %, clear at 4 %, from 500 mails on
 *     complaint-rate=off
 *
 * Pure. See also: ledger/alert/alert (the states), service/alerts/alert-measures (who measures), docs/ALERTS.md.
 */

/** `operator`: of the whole installation. */
export type AlertScope = 'account' | 'operator'

export type AlertThreshold = { readonly raise: number; readonly clear: number; readonly minimum: number }

export type AlertRule = AlertThreshold & {
  readonly scope: AlertScope
  readonly unit: 'share' | 'minutes' | 'hours'
  /** What is measured, in words that follow "share of" or stand alone. */
  readonly what: string
  /** What the least volume counts. */
  readonly of: string
  /** Hours that a share is measured over. */
  readonly hours: number
  /** What becomes of a raised alert when nothing is there to be measured. */
  readonly idle: 'stays' | 'clears'
}

export const ALERT_RULES = {
  // Providers begin to throttle senders at about 5 %; a clean list stays below 2 %.
  'bounce-rate': {
    scope: 'account',
    unit: 'share',
    what: 'requested mails that bounced, those left out that our own lists answered',
    of: 'mails',
    raise: 0.05,
    clear: 0.03,
    minimum: 200,
    hours: 24,
    idle: 'clears',
  },
  // Gmail and Yahoo ask for less than 0.1 % and act at 0.3 %.
  'complaint-rate': {
    scope: 'account',
    unit: 'share',
    what: 'delivered mails that were reported as spam',
    of: 'mails',
    raise: 0.003,
    clear: 0.001,
    minimum: 1_000,
    hours: 24,
    idle: 'clears',
  },
  // Strangers' mail and backscatter are always there; a fifth is a broken Return-Path.
  'unmatched-share': {
    scope: 'operator',
    unit: 'share',
    what: 'mails to our domains that belong to no mail of ours',
    of: 'mails',
    raise: 0.2,
    clear: 0.1,
    minimum: 100,
    hours: 6,
    idle: 'clears',
  },
  // The rule table leaves 1 to 2 % undecided; a tenth is a provider that has changed its words.
  'other-share': {
    scope: 'operator',
    unit: 'share',
    what: 'replies that no rule decides',
    of: 'replies',
    raise: 0.1,
    clear: 0.05,
    minimum: 100,
    hours: 6,
    idle: 'clears',
  },
  // Most pauses end within a quarter-hour by themselves.
  'lane-paused': {
    scope: 'account',
    unit: 'minutes',
    what: 'time that sending stands still',
    of: 'mails that wait',
    raise: 30,
    clear: 0,
    minimum: 1,
    hours: 0,
    idle: 'clears',
  },
  // The ladder of an endpoint that is down tries seldom: that nothing was tried says nothing.
  'webhook-failing': {
    scope: 'account',
    unit: 'share',
    what: 'webhooks that an endpoint did not take',
    of: 'attempts',
    raise: 0.5,
    clear: 0.1,
    minimum: 5,
    hours: 1,
    idle: 'stays',
  },
  // A loop that sends daily and is silent for three days has lost its enrolment, or its mail the way to us.
  'feedback-silence': {
    scope: 'operator',
    unit: 'hours',
    what: 'time since a feedback loop sent its last complaint, while mail is sent',
    of: 'complaints in four weeks',
    raise: 72,
    clear: 24,
    minimum: 20,
    hours: 672,
    idle: 'stays',
  },
} as const satisfies Record<string, AlertRule>

export type AlertName = keyof typeof ALERT_RULES

/** Every alert, in the order of the table. */
// The checked door: the keys of the literal above.
export const ALERT_NAMES: readonly AlertName[] = Object.keys(ALERT_RULES) as AlertName[]

/** Thresholds in force; an alert that is not there is off. */
export type AlertThresholds = Readonly<Partial<Record<AlertName, AlertThreshold>>>

/** The table's own. */
export const DEFAULT_ALERT_THRESHOLDS: AlertThresholds = ALERT_RULES

const THRESHOLD_CHANGE = /^([a-z-]{1,40})=(?:(off)|(\d{1,9}(?:\.\d{1,9})?)\/(\d{1,9}(?:\.\d{1,9})?)(?:\/(\d{1,9}))?)$/

/** One change of a threshold; null for what is none, or would be over before it is raised. Threshold null: off. */
export function parseThresholdChange(text: string): { readonly name: AlertName; readonly threshold: AlertThreshold | null } | null {
  const [, givenName, off, raise = '', clear = '', minimum] = THRESHOLD_CHANGE.exec(text.trim()) ?? []
  const name = ALERT_NAMES.find((each) => each === givenName)
  if (name === undefined) return null
  if (off !== undefined) return { name, threshold: null }
  const threshold = {
    raise: Number(raise),
    clear: Number(clear),
    minimum: minimum === undefined ? ALERT_RULES[name].minimum : Number(minimum),
  }
  return threshold.clear < threshold.raise ? { name, threshold } : null
}

/** Thresholds after some changes; what cannot be read changes nothing. */
export function applyThresholdChanges(before: AlertThresholds, changes: readonly string[]): AlertThresholds {
  const next = new Map(Object.entries(before))
  for (const { name, threshold } of changes.flatMap((text) => parseThresholdChange(text) ?? [])) {
    if (threshold === null) next.delete(name)
    else next.set(name, threshold)
  }
  return Object.fromEntries(next)
}

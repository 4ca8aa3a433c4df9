/**
 * alert-rules - the table of alerts: the measure, the thresholds, and the minimum volume
 *
 * An alert is raised at `raise` and above, and cleared at `clear` and below. In between it keeps its state, so that a value that oscillates
 * causes no repeated alerts. Below the minimum volume nothing is raised: one bounce of two messages is not a rate. A threshold is changed
 * by a short text:
 *
 *     bounce-rate=0.08/0.04/500     raise at 8 %, clear at 4 %, from 500 messages on
 *     complaint-rate=off
 *
 * Pure. See also: ledger/alert/alert-state (the states), service/alerts/alert-measures (measures), docs/ALERTS.md.
 */

/** `operator`: the whole installation. */
type AlertScope = 'account' | 'operator'

export type AlertThreshold = { readonly raise: number; readonly clear: number; readonly minimum: number }

type AlertRule = AlertThreshold & {
  readonly scope: AlertScope
  readonly unit: 'share' | 'minutes' | 'hours'
  /** What is measured: a text that is also correct after "share of". */
  readonly what: string
  /** What the minimum volume counts. */
  readonly of: string
  /** The period of a share, in hours. */
  readonly hours: number
  /** What happens to a raised alert if there is nothing to measure. */
  readonly idle: 'stays' | 'clears'
}

export const ALERT_RULES = {
  // Providers begin to limit senders at about 5 %; a clean list stays below 2 %.
  'bounce-rate': {
    scope: 'account',
    unit: 'share',
    what: 'requested messages that bounced, without those that our own lists refused',
    of: 'messages',
    raise: 0.05,
    clear: 0.03,
    minimum: 200,
    hours: 24,
    idle: 'clears',
  },
  // Gmail and Yahoo require less than 0.1 %, and act at 0.3 %.
  'complaint-rate': {
    scope: 'account',
    unit: 'share',
    what: 'delivered messages that were reported as spam',
    of: 'messages',
    raise: 0.003,
    clear: 0.001,
    minimum: 1_000,
    hours: 24,
    idle: 'clears',
  },
  // Some unrelated mail and backscatter is normal; a fifth means a broken Return-Path.
  'unmatched-share': {
    scope: 'operator',
    unit: 'share',
    what: 'mails to our domains that refer to no message of ours',
    of: 'messages',
    raise: 0.2,
    clear: 0.1,
    minimum: 100,
    hours: 6,
    idle: 'clears',
  },
  // The rules leave 1 to 2 % undecided; a tenth means that a provider has changed its texts.
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
  // A forwarder, a scanner or a rule now and then; more means that a rule or a provider calls living addresses dead.
  'contradicted-share': {
    scope: 'operator',
    unit: 'share',
    what: 'bounces whose mail a person opened while its address was on the bounce list',
    of: 'replies',
    raise: 0.02,
    clear: 0.005,
    minimum: 50,
    hours: 24,
    idle: 'clears',
  },
  // Most pauses end by themselves within a quarter-hour.
  'lane-paused': {
    scope: 'account',
    unit: 'minutes',
    what: 'time for which sending has been paused',
    of: 'queued messages',
    raise: 30,
    clear: 0,
    minimum: 1,
    hours: 0,
    idle: 'clears',
  },
  // Links name the shared domain meanwhile, but those of mails that were sent before lead nowhere.
  'tracking-domain': {
    scope: 'account',
    unit: 'minutes',
    what: 'time for which the tracking domain of the account has not led to this installation',
    of: 'tracking domains',
    raise: 10,
    clear: 0,
    minimum: 0,
    hours: 0,
    idle: 'clears',
  },
  // An endpoint that is down is tried rarely, so a period without attempts proves nothing.
  'webhook-failing': {
    scope: 'account',
    unit: 'share',
    what: 'webhook attempts that an endpoint did not accept',
    of: 'attempts',
    raise: 0.5,
    clear: 0.1,
    minimum: 5,
    hours: 1,
    idle: 'stays',
  },
  // If a daily feedback loop is silent for three days, its enrolment has ended or its mail does not reach us.
  'feedback-silence': {
    scope: 'operator',
    unit: 'hours',
    what: 'time since the last complaint of a feedback loop, while messages are sent',
    of: 'complaints in four weeks',
    raise: 72,
    clear: 24,
    minimum: 20,
    hours: 672,
    idle: 'stays',
  },
  // At half of the free space there is time to make room; at 100 % new mail is refused.
  'disk-space': {
    scope: 'operator',
    unit: 'share',
    what: 'free disk space that the floor limits.freeDiskBytes takes up (at 100 % new mail is refused)',
    of: 'MiB free',
    raise: 0.5,
    clear: 0.33,
    minimum: 0,
    hours: 0,
    idle: 'clears',
  },
  // Servers are restarted within minutes; a mailbox that nobody reads fills up, and its bounces are not known.
  mailbox: {
    scope: 'operator',
    unit: 'minutes',
    what: 'time for which an IMAP mailbox of the settings could not be read',
    of: 'mailboxes',
    raise: 10,
    clear: 0,
    minimum: 0,
    hours: 0,
    idle: 'clears',
  },
  // Certificates are renewed a month before they end; after half of that, somebody should look.
  certificate: {
    scope: 'operator',
    unit: 'hours',
    what: 'time since a certificate of the HTTPS listener should have been replaced: two weeks before its end, or when its files could not be read',
    of: 'certificates',
    raise: 1,
    clear: 0,
    minimum: 0,
    hours: 0,
    idle: 'clears',
  },
  // A clock that is wrong by months would remove everything, so retention waits for a person. A month that turns in a quiet week is no sign.
  'retirement-held': {
    scope: 'operator',
    unit: 'hours',
    what: 'time by which the clock is ahead of the newest mail, while retention removes nothing more',
    of: 'held retentions',
    raise: 168,
    clear: 0,
    minimum: 0,
    hours: 0,
    idle: 'stays',
  },
} as const satisfies Record<string, AlertRule>

export type AlertName = keyof typeof ALERT_RULES

/** All alerts, in the order of the table. */
// Checked cast: the keys of the literal above.
export const ALERT_NAMES: readonly AlertName[] = Object.keys(ALERT_RULES) as AlertName[]

/** The thresholds in force. An alert without one is off. */
export type AlertThresholds = Readonly<Partial<Record<AlertName, AlertThreshold>>>

/** The thresholds of the table. */
export const DEFAULT_ALERT_THRESHOLDS: AlertThresholds = ALERT_RULES

const THRESHOLD_CHANGE = /^([a-z-]{1,40})=(?:(off)|(\d{1,9}(?:\.\d{1,9})?)\/(\d{1,9}(?:\.\d{1,9})?)(?:\/(\d{1,9}))?)$/

/** Parses one change of a threshold. Null if the text is not one, or if `clear` is not below `raise`. A null threshold means off. Total. */
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

/** The thresholds after some changes. A text that cannot be parsed changes nothing. */
export function applyThresholdChanges(before: AlertThresholds, changes: readonly string[]): AlertThresholds {
  const next = new Map(Object.entries(before))
  for (const { name, threshold } of changes.flatMap((text) => parseThresholdChange(text) ?? [])) {
    if (threshold === null) next.delete(name)
    else next.set(name, threshold)
  }
  return Object.fromEntries(next)
}

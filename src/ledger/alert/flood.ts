/**
 * flood - detects implausibly many reports
 *
 * Anyone who has one valid token, or a feedback loop that malfunctions, can send reports without end. Reports are counted in windows by
 * account, by peer and account, and by token. A window that exceeds its limit and is far above the previous windows raises one alarm, which
 * names what to block. Nothing is refused here: an operator decides (service/admin/blocks).
 *
 * Pure. See also: service/receive/flood-monitor (counts reports), settings (flood).
 */
import type { FactOf } from '../facts/fact.ts'
import { createFact, type FactMoment } from '../facts/new-fact.ts'

export type FloodRule = {
  readonly windowMs: number
  /** Fewer reports in one window are never a flood. */
  readonly reports: number
  /** The factor over the previous windows. */
  readonly times: number
}

const QUARTER_HOUR_MS = 900_000
const HOUR_MS = 3_600_000

/**
 * A campaign of 400,000 messages of which 5 % bounce within a quarter-hour causes 20,000 reports; one host of a provider sends a part of
 * them. One message has one bounce, and a delay warning every few hours.
 */
export const FLOOD_RULES = {
  account: { windowMs: QUARTER_HOUR_MS, reports: 20_000, times: 10 },
  peer: { windowMs: QUARTER_HOUR_MS, reports: 10_000, times: 10 },
  token: { windowMs: HOUR_MS, reports: 50, times: 1 },
  /** Mails with an id of ours that we did not make. A few come from relays that rewrite addresses. */
  guess: { windowMs: HOUR_MS, reports: 100, times: 10 },
} as const satisfies Record<string, FloodRule>
export type FloodKind = keyof typeof FLOOD_RULES

/** One counter. `baseline`: the weighted average of the previous windows. */
export type FloodGauge = { readonly windowStart: number; readonly count: number; readonly baseline: number }

/** Each older window weighs a quarter less. */
const BASELINE_DECAY = 0.75

/**
 * Counts one report. `isFlood` is true once in each window: for the report that reaches the limit. Total; if the clock goes backwards, the
 * report counts in the current window.
 */
export function countReport(
  gauge: FloodGauge | null,
  at: number,
  rule: FloodRule,
): { readonly gauge: FloodGauge; readonly isFlood: boolean } {
  const now = advanceToWindow(gauge, Math.floor(at / rule.windowMs) * rule.windowMs, rule)
  const limit = Math.max(rule.reports, rule.times * now.baseline)
  const next = { ...now, count: now.count + 1 }
  return { gauge: next, isFlood: now.count < limit && next.count >= limit }
}

function advanceToWindow(gauge: FloodGauge | null, windowStart: number, { windowMs }: FloodRule): FloodGauge {
  if (gauge === null) return { windowStart, count: 0, baseline: 0 }
  if (windowStart <= gauge.windowStart) return gauge
  const passed = (windowStart - gauge.windowStart) / windowMs
  const baseline = (gauge.baseline * BASELINE_DECAY + gauge.count * (1 - BASELINE_DECAY)) * BASELINE_DECAY ** (passed - 1)
  return { windowStart, count: 0, baseline }
}

export type Flood = {
  readonly account: number
  readonly kind: FloodKind
  /** The account's number (account, guess), the peer (an IPv4 address or an IPv6 /64), or a token of the delivery. */
  readonly name: string
  /** When its window began. */
  readonly since: number
  readonly reports: number
}

/** The subject of the alarm: one for each window, whichever node detects the flood. */
export const subjectOfFlood = ({ kind, name, since }: Flood): string => `flood:${kind}:${name}:${since}`

const askToBlock = (kind: 'account' | 'peer' | 'token'): string =>
  `Check them, and block the source if they are not genuine (bounced block add --${kind}).`

const FLOOD_TEXTS = {
  account: () => `Implausibly many reports about messages of this account. ${askToBlock('account')}`,
  peer: (name) => `Implausibly many reports about messages of this account from ${name}. ${askToBlock('peer')}`,
  token: (name) => `Implausibly many reports about one message, ${name}. ${askToBlock('token')}`,
  guess: () => 'Many mails name ids of messages of this account that bounced did not make: somebody may be guessing. They change nothing.',
} as const satisfies Record<FloodKind, (name: string) => string>

/** The alarm of one flood. */
export function decideFlood(flood: Flood, moment: FactMoment): FactOf<'alarm'> {
  const { account, kind, name, since, reports } = flood
  const about = { account, deliveryId: null, addressHash: null, subject: subjectOfFlood(flood) }
  const text = FLOOD_TEXTS[kind](name)
  return createFact('alarm', about, moment, { alarm: 'flood', text, detail: { kind, name, since, reports } })
}

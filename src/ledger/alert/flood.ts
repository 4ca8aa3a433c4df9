/**
 * flood - when reports that look right are too many to be true
 *
 * Whoever holds one valid token, or a loop that has gone mad, can send reports without end. They are counted by account, by the peer that
 * brings them to an account, and by token, in windows; a window that passes its limit and is far above the ones before raises one alarm,
 * which names what to cut off. Nothing is refused here: an operator decides (service/admin/blocks).
 *
 * Pure. See also: service/receive/flood-monitor (who counts), settings (flood).
 */
import type { FactOf } from '../facts/fact.ts'
import { createFact, type FactMoment } from '../facts/new-fact.ts'

export type FloodRule = {
  readonly windowMs: number
  /** Reports in one window below which it is never a flood. */
  readonly reports: number
  /** How many times the windows before. */
  readonly times: number
}

const QUARTER_HOUR_MS = 900_000
const HOUR_MS = 3_600_000

/**
 * A campaign of 400,000 mails of which 5 % come back in a quarter-hour is 20,000 reports; one host of a provider brings a part of them; one
 * mail has one bounce, and a warning every few hours.
 */
export const FLOOD_RULES = {
  account: { windowMs: QUARTER_HOUR_MS, reports: 20_000, times: 10 },
  peer: { windowMs: QUARTER_HOUR_MS, reports: 10_000, times: 10 },
  token: { windowMs: HOUR_MS, reports: 50, times: 1 },
} as const satisfies Record<string, FloodRule>
export type FloodKind = keyof typeof FLOOD_RULES

/** One count. `usual`: what a window had before, the latest weighing most. */
export type FloodGauge = { readonly since: number; readonly count: number; readonly baseline: number }

/** Older windows weigh a quarter less each. */
const BASELINE_DECAY = 0.75

/** Counts one report. `isFlood` once a window: at the report that passes the limit. Total; time that goes backwards counts now. */
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

function advanceToWindow(gauge: FloodGauge | null, since: number, { windowMs }: FloodRule): FloodGauge {
  if (gauge === null) return { since, count: 0, baseline: 0 }
  if (since <= gauge.since) return gauge
  const passed = (since - gauge.since) / windowMs
  const baseline = (gauge.baseline * BASELINE_DECAY + gauge.count * (1 - BASELINE_DECAY)) * BASELINE_DECAY ** (passed - 1)
  return { since, count: 0, baseline }
}

export type Flood = {
  readonly account: number
  readonly kind: FloodKind
  /** The account's number, the peer's address, or the deliveryId in the token. */
  readonly name: string
  /** When its window began. */
  readonly since: number
  readonly reports: number
}

/** What floods of one window are filed under: one alarm each, whichever node saw it. */
export const subjectOfFlood = ({ kind, name, since }: Flood): string => `flood:${kind}:${name}:${since}`

const FLOOD_TEXTS = {
  account: () => 'Reports about mails of this account come in a flood.',
  peer: (name) => `Reports about mails of this account come in a flood from ${name}.`,
  token: (name) => `Reports about one mail, ${name}, come in a flood.`,
} as const satisfies Record<FloodKind, (name: string) => string>

/** The alarm of one flood. */
export function decideFlood(flood: Flood, moment: FactMoment): FactOf<'alarm'> {
  const { account, kind, name, since, reports } = flood
  const about = { account, deliveryId: null, addressHash: null, subject: subjectOfFlood(flood) }
  const text = `${FLOOD_TEXTS[kind](name)} Look into it, and cut it off where it is none of yours (bounced block add --${kind}).`
  return createFact('alarm', about, moment, { alarm: 'flood', text, detail: { kind, name, since, reports } })
}

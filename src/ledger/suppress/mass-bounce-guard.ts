/**
 * mass-bounce-guard - holds list writes of a site that suddenly reports many unknown users
 *
 * In December 2020 a large provider denied all its users for hours, and senders that believed it lost good addresses. The guard trips if,
 * within 15 minutes, permanent `not-exist` reaches at least 5 times its share of the last 7 days with at least 50 hits, or at least 20 hits
 * fall on addresses that were alive within 30 days. It then holds the bounce list writes for that site; statuses still change. An operator
 * applies or discards what is held.
 *
 * The 15 minutes are the current quarter-hour plus the remaining share of the one before.
 *
 * Pure. See also: ledger/project/counters, ledger/suppress/bounce-list.
 */
import { DAY_MS } from './address-history.ts'
import { QUARTER_HOUR_MS, quarterHourOf, siteCounterKey, type SiteMetric, type LedgerState } from '../project/state.ts'

const MASS_BOUNCE_LIMITS = {
  factor: 5,
  hits: 50,
  engaged: 20,
  baselineMs: 7 * DAY_MS,
  /** A share of fewer outcomes is not significant. */
  baselineOutcomes: 100,
} as const

export type MassBounce = { readonly why: 'share' | 'engaged'; readonly hits: number; readonly engaged: number }

/** Whether one more hit trips the guard for a site that is not held, and why. Null: it does not. */
export function detectMassBounce(
  ledger: LedgerState,
  hit: { readonly site: string; readonly at: number; readonly engaged: boolean },
): MassBounce | null {
  const hits = countInWindow(ledger, hit, 'hits') + 1
  const engaged = countInWindow(ledger, hit, 'engaged') + (hit.engaged ? 1 : 0)
  if (hit.engaged && engaged >= MASS_BOUNCE_LIMITS.engaged) return { why: 'engaged', hits, engaged }
  if (hits < MASS_BOUNCE_LIMITS.hits) return null
  const baselineShare = baselineShareOf(ledger, hit)
  const hitShare = hits / (countInWindow(ledger, hit, 'outcomes') + 1)
  return baselineShare !== null && hitShare >= MASS_BOUNCE_LIMITS.factor * baselineShare ? { why: 'share', hits, engaged } : null
}

/** Whether list writes for a site are held. */
export const isSiteHeld = (ledger: LedgerState, site: string): boolean => ledger.sites.get(site)?.held === true

type SiteMoment = { readonly site: string; readonly at: number }

/** Rounded down: 49.9 hits are not 50. An operator has reviewed everything before the last release, so it does not count. */
function countInWindow(ledger: LedgerState, { site, at }: SiteMoment, metric: SiteMetric): number {
  const now = quarterHourOf(at)
  const released = ledger.sites.get(site)?.at ?? Number.NEGATIVE_INFINITY
  const count = (quarter: number): number => (quarter < released ? 0 : (ledger.siteCounts.get(siteCounterKey(site, quarter, metric)) ?? 0))
  return Math.floor(count(now) + count(now - QUARTER_HOUR_MS) * (1 - (at - now) / QUARTER_HOUR_MS))
}

/** The share of hits among outcomes in the 7 days before the window. Null: too few outcomes. */
function baselineShareOf(ledger: LedgerState, { site, at }: SiteMoment): number | null {
  const end = quarterHourOf(at) - QUARTER_HOUR_MS
  let hits = 0
  let outcomes = 0
  for (const quarter of ledger.siteQuarters.get(site) ?? []) {
    if (quarter < end - MASS_BOUNCE_LIMITS.baselineMs || quarter >= end) continue
    hits += ledger.siteCounts.get(siteCounterKey(site, quarter, 'hits')) ?? 0
    outcomes += ledger.siteCounts.get(siteCounterKey(site, quarter, 'outcomes')) ?? 0
  }
  return outcomes < MASS_BOUNCE_LIMITS.baselineOutcomes ? null : hits / outcomes
}

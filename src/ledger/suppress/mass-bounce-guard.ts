/**
 * mass-bounce-guard - when many mailboxes of one site vanish at once, lists wait for a person
 *
 * In December 2020 a large provider denied all its users for hours; whoever believed it lost good addresses. So where permanent not-exist
 * is, in 15 minutes, at least 5 times its share of 7 days with at least 50 hits, or at least 20 hits fall on addresses that were alive within
 * 30 days, the bounce list's writes for that site are held. Statuses still move. An operator applies or discards what is held.
 *
 * 15 minutes are the running quarter-hour and the rest of the one before, by its share. Pure. See also: ledger/project/counters, ledger/suppress/bounce-list.
 */
import { DAY_MS } from './address-history.ts'
import { QUARTER_HOUR_MS, quarterHourOf, siteCounterKey, type SiteMetric, type LedgerState } from '../project/state.ts'

const MASS_BOUNCE_LIMITS = {
  factor: 5,
  hits: 50,
  engaged: 20,
  baselineMs: 7 * DAY_MS,
  /** A share of fewer outcomes says nothing yet. */
  baselineOutcomes: 100,
} as const

export type MassBounce = { readonly why: 'share' | 'engaged'; readonly hits: number; readonly engaged: number }

/** Whether one more hit at that moment trips the brake of a site that is not held. Null: it does not. */
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

/** Whether list writes for a site wait. */
export const isSiteHeld = (ledger: LedgerState, site: string): boolean => ledger.sites.get(site)?.held === true

type SiteMoment = { readonly site: string; readonly at: number }

/** Whole numbers: 49.9 hits are not 50. What came before the last release was judged by a person. */
function countInWindow(ledger: LedgerState, { site, at }: SiteMoment, metric: SiteMetric): number {
  const now = quarterHourOf(at)
  const released = ledger.sites.get(site)?.at ?? Number.NEGATIVE_INFINITY
  const count = (quarter: number): number => (quarter < released ? 0 : (ledger.siteCounts.get(siteCounterKey(site, quarter, metric)) ?? 0))
  return Math.floor(count(now) + count(now - QUARTER_HOUR_MS) * (1 - (at - now) / QUARTER_HOUR_MS))
}

/** The share of hits among outcomes in the 7 days before the window; null: too few to tell. */
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

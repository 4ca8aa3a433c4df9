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
import { QUARTER_MS, quarterOf, siteKey, type SiteMetric, type World } from '../project/state.ts'

const BRAKE = {
  factor: 5,
  hits: 50,
  engaged: 20,
  baselineMs: 7 * DAY_MS,
  /** A share of fewer outcomes says nothing yet. */
  baselineOutcomes: 100,
} as const

export type Trip = { readonly why: 'share' | 'engaged'; readonly hits: number; readonly engaged: number }

/** Whether one more hit at that moment trips the brake of a site that is not held. Null: it does not. */
export function tripsBrake(world: World, hit: { readonly site: string; readonly at: number; readonly engaged: boolean }): Trip | null {
  const hits = windowOf(world, hit, 'hits') + 1
  const engaged = windowOf(world, hit, 'engaged') + (hit.engaged ? 1 : 0)
  if (hit.engaged && engaged >= BRAKE.engaged) return { why: 'engaged', hits, engaged }
  if (hits < BRAKE.hits) return null
  const before = baselineOf(world, hit)
  const share = hits / (windowOf(world, hit, 'outcomes') + 1)
  return before !== null && share >= BRAKE.factor * before ? { why: 'share', hits, engaged } : null
}

/** Whether list writes for a site wait. */
export const isHeld = (world: World, site: string): boolean => world.sites.get(site)?.held === true

type Where = { readonly site: string; readonly at: number }

/** Whole numbers: 49.9 hits are not 50. What came before the last release was judged by a person. */
function windowOf(world: World, { site, at }: Where, metric: SiteMetric): number {
  const now = quarterOf(at)
  const released = world.sites.get(site)?.at ?? Number.NEGATIVE_INFINITY
  const count = (quarter: number): number => (quarter < released ? 0 : (world.siteCounts.get(siteKey(site, quarter, metric)) ?? 0))
  return Math.floor(count(now) + count(now - QUARTER_MS) * (1 - (at - now) / QUARTER_MS))
}

/** The share of hits among outcomes in the 7 days before the window; null: too few to tell. */
function baselineOf(world: World, { site, at }: Where): number | null {
  const end = quarterOf(at) - QUARTER_MS
  let hits = 0
  let outcomes = 0
  for (const quarter of world.siteQuarters.get(site) ?? []) {
    if (quarter < end - BRAKE.baselineMs || quarter >= end) continue
    hits += world.siteCounts.get(siteKey(site, quarter, 'hits')) ?? 0
    outcomes += world.siteCounts.get(siteKey(site, quarter, 'outcomes')) ?? 0
  }
  return outcomes < BRAKE.baselineOutcomes ? null : hits / outcomes
}

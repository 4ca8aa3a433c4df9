/**
 * site-window - the counts of a site over the last 7 days, as the mass-bounce guard needs them
 *
 * See also: store/facts/ledger-state (which loads them with the rest), ledger/suppress/mass-bounce-guard.
 */
import { addSiteCount, QUARTER_HOUR_MS, quarterHourOf } from '../../ledger/project/state.ts'
import type { LedgerState, SiteMetric } from '../../ledger/project/state.ts'
import type { Database } from '../engine/engine.ts'
import { SITE_STATES } from '../schema.ts'

/** A site, and the moment whose preceding 7 days are counted. */
export type SiteMoment = { readonly site: string; readonly at: number }

const WEEK_MS = 7 * 86_400_000

/** Older quarter-hours are summed: the mass-bounce guard asks for the last two and for the whole week. */
const SEPARATE_QUARTERS = 4

/** Loads the state and the counts of each site. Locks the state rows, sorted by site. */
export async function loadSites(db: Database, ledgerState: LedgerState, wanted: readonly SiteMoment[]): Promise<void> {
  const momentsBySite = Map.groupBy(wanted, ({ site }) => site)
  const windows = [...momentsBySite].map(([site, group]) => [site, ...weekWindowOf(group.map(({ at }) => at))] as const)
  // The partitions to read.
  const earliest = windows.reduce((first, [, from]) => Math.min(first, from), Number.MAX_SAFE_INTEGER)
  const counts = `select c.site, c.metric, case when c.quarter >= k.k3 then c.quarter else k.k4 end as quarter, sum(c.n) as n
    from {keys} k cross join site_counters c where c.site = k.k1 and c.quarter >= k.k2
      and c.quarter >= $1 group by 1, 2, 3`
  const states = `select ${SITE_STATES.columns('s')} from {keys} k cross join site_states s where s.site = k.k1 order by s.site {lock s}`
  const [sums, rows] = await Promise.all([
    db.inKeys(counts, { types: ['text', 'int', 'int', 'int'], rows: windows }, [earliest]),
    db.inKeys(states, { types: ['text'], rows: [...momentsBySite.keys()].map((site) => [site]) }),
  ])
  for (const row of sums)
    addSiteCount(ledgerState, {
      site: String(row['site']),
      quarter: Number(row['quarter']),
      metric: decodeSiteMetric(row['metric']),
      n: Number(row['n']),
    })
  for (const state of rows.map(SITE_STATES.decode)) ledgerState.sites.set(state.site, state)
}

/**
 * The start of the week before the moments, the first quarter-hour that is counted separately, and the quarter-hour that receives the sum
 * of all earlier ones. Moments within two adjacent quarter-hours share that sum. The moments of a replay are further apart, so every
 * quarter-hour stays separate.
 */
function weekWindowOf(moments: readonly number[]): readonly [number, number, number] {
  const first = quarterHourOf(Math.min(...moments))
  const last = quarterHourOf(Math.max(...moments))
  const from = first - QUARTER_HOUR_MS - WEEK_MS
  return [from, last - first <= QUARTER_HOUR_MS ? first - SEPARATE_QUARTERS * QUARTER_HOUR_MS : from, last - WEEK_MS]
}

// Checked cast: only our own code writes the column, from the same type.
const decodeSiteMetric = (value: unknown): SiteMetric => String(value) as SiteMetric

/**
 * counters - the counters to which a delivery row contributes
 *
 * A pure function of the row. Account counters belong to the quarter-hour of the request, site counters to that of the outcome.
 *
 * Pure. See also: ledger/project/update-counters, ledger/suppress/mass-bounce-guard (reads site counters).
 */
import { isPermanentUnknownUser } from '../suppress/address-history.ts'
import {
  type BasicCounterMetric,
  type CounterMetric,
  type CounterRow,
  type DeliveryRow,
  quarterHourOf,
  receivingSiteOf,
  type SiteCounterRow,
} from './state.ts'

function metricsOf(row: DeliveryRow): Readonly<Record<BasicCounterMetric, number>> {
  return {
    request: 1,
    delivered: row.status === 1 ? 1 : 0,
    invalid: row.status === 4 ? 1 : 0,
    'soft-bounce': row.status === 5 ? 1 : 0,
    open: row.opens,
    click: row.clicks,
    'unique-open': row.openedAt === null ? 0 : 1,
    'unique-click': row.clickedAt === null ? 0 : 1,
    'machine-open': row.machineOpens,
    'machine-click': row.machineClicks,
    complaint: row.complaints,
    unsubscribe: row.unsubscribes,
  }
}

/**
 * The account counters of a row, without zeroes. A delivery that is not registered, a duplicate and a recipient without address count for
 * nothing.
 */
export function countersOf(row: DeliveryRow): readonly CounterRow[] {
  if (!row.registered || row.resultBase === 'duplicate' || row.resultBase === 'no-email-selected') return []
  const key = {
    account: row.account,
    quarter: quarterHourOf(row.requestedAt),
    apiUser: row.apiUser,
    labelId: row.labelId ?? 0,
    domain: row.domain,
  }
  // Checked cast: the keys of a record over BasicCounterMetric.
  const basic = Object.entries(metricsOf(row)) as [CounterMetric, number][]
  const bySubStatus: readonly [CounterMetric, number][] = row.status === 4 ? [[`invalid-${row.subStatus ?? 0}`, 1]] : []
  return [...basic, ...bySubStatus].flatMap(([metric, n]) => (n === 0 ? [] : [{ ...key, metric, n }]))
}

/** The counters of a row at its receiving site. A refusal by our own lists is not an outcome of the site. */
export function siteCountersOf(row: DeliveryRow): readonly SiteCounterRow[] {
  const site = receivingSiteOf(row)
  if (site === null || !row.registered || row.status === 18 || row.fault === 'list') return []
  const key = { site, quarter: quarterHourOf(row.statusAt) }
  const isHit = isPermanentUnknownUser(row)
  return [
    { ...key, metric: 'outcomes', n: 1 },
    ...(isHit ? [{ ...key, metric: 'hits' as const, n: 1 }] : []),
    ...(isHit && row.engaged ? [{ ...key, metric: 'engaged' as const, n: 1 }] : []),
  ]
}

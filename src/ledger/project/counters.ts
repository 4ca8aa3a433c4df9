/**
 * counters - what a delivery's row counts for
 *
 * A pure function of the row. Whoever changes a row subtracts what the old one counted for and adds what the new one does: so counters
 * follow the status in any order of facts. Statistics lie in the quarter-hour of the request, a site's in that of the outcome.
 *
 * Pure. See also: ledger/project/fold, ledger/suppress/mass-bounce-guard (who reads a site's).
 */
import { isPermanentUnknownUser } from '../suppress/address-history.ts'
import {
  addSiteCount,
  type CounterRow,
  type DeliveryRow,
  type CounterMetric,
  quarterHourOf,
  receivingSiteOf,
  siteCounterKey,
  type SiteCounterRow,
  type LedgerState,
} from './state.ts'

/** What an unregistered delivery, a duplicate or one without address counts for: nothing. */
function metricsOf(row: DeliveryRow): readonly (readonly [CounterMetric, number])[] {
  if (!row.registered || row.resultBase === 'duplicate' || row.resultBase === 'no-email-selected') return []
  return [
    ['request', 1],
    ['delivered', row.status === 1 ? 1 : 0],
    ['invalid', row.status === 4 ? 1 : 0],
    [`invalid-${row.subStatus ?? 0}`, row.status === 4 ? 1 : 0],
    ['soft-bounce', row.status === 5 ? 1 : 0],
    ['open', row.opens],
    ['click', row.clicks],
    ['unique-open', Math.min(row.opens, 1)],
    ['unique-click', Math.min(row.clicks, 1)],
    ['complaint', row.complaints],
    ['unsubscribe', row.unsubscribes],
  ]
}

/** The counters of a row, zeroes left out. */
export function countersOf(row: DeliveryRow): readonly CounterRow[] {
  const at = {
    account: row.account,
    quarter: quarterHourOf(row.requestedAt),
    apiUser: row.apiUser,
    labelId: row.labelId ?? 0,
    domain: row.domain,
  }
  return metricsOf(row).flatMap(([metric, n]) => (n === 0 ? [] : [{ ...at, metric, n }]))
}

/** What a row counts for at its site. Answers of our own lists are no outcomes. */
export function siteCountersOf(row: DeliveryRow): readonly SiteCounterRow[] {
  const site = receivingSiteOf(row)
  if (site === null || !row.registered || row.status === 18 || row.fault === 'list') return []
  const at = { site, quarter: quarterHourOf(row.statusAt) }
  const isHit = isPermanentUnknownUser(row)
  return [
    { ...at, metric: 'outcomes', n: 1 },
    ...(isHit ? [{ ...at, metric: 'hits' as const, n: 1 }] : []),
    ...(isHit && row.engaged ? [{ ...at, metric: 'engaged' as const, n: 1 }] : []),
  ]
}

/** Books the difference between two states of a row. */
export function updateCounters(ledger: LedgerState, previous: DeliveryRow | null, next: DeliveryRow): void {
  for (const row of previous === null ? [] : countersOf(previous)) addCounter(ledger, { ...row, n: -row.n })
  for (const row of countersOf(next)) addCounter(ledger, row)
  for (const row of previous === null ? [] : siteCountersOf(previous)) addSiteCounter(ledger, { ...row, n: -row.n })
  for (const row of siteCountersOf(next)) addSiteCounter(ledger, row)
}

function addCounter(ledger: LedgerState, row: CounterRow): void {
  const key = [row.account, row.quarter, row.apiUser, row.labelId, row.domain, row.metric].join('\0')
  const n = (ledger.dirty.counters.get(key)?.n ?? 0) + row.n
  if (n === 0) ledger.dirty.counters.delete(key)
  else ledger.dirty.counters.set(key, { ...row, n })
}

function addSiteCounter(ledger: LedgerState, row: SiteCounterRow): void {
  const key = siteCounterKey(row.site, row.quarter, row.metric)
  const n = (ledger.dirty.siteCounters.get(key)?.n ?? 0) + row.n
  if (n === 0) ledger.dirty.siteCounters.delete(key)
  else ledger.dirty.siteCounters.set(key, { ...row, n })
  addSiteCount(ledger, row)
}

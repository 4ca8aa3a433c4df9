/**
 * update-counters - keeps the counters of a ledger state in step with its delivery rows
 *
 * When a row changes, its old counters are subtracted and its new ones added, so that counters follow the status whatever the order of
 * facts.
 *
 * Pure except for the LedgerState that it is given. See also: ledger/project/counters, ledger/project/fold.
 */
import { parseDeliveryId, startOfDayNumber } from '../../correlate/delivery-id.ts'
import { countersOf, siteCountersOf } from './counters.ts'
import {
  addSiteCount,
  type CounterRow,
  type DeliveryRow,
  type LedgerState,
  quarterHourOf,
  siteCounterKey,
  type SiteCounterRow,
} from './state.ts'

/** Adds the difference between two states of a row. */
export function updateCounters(ledger: LedgerState, previous: DeliveryRow | null, next: DeliveryRow): void {
  for (const row of previous === null ? [] : countersOf(previous)) addCounter(ledger, { ...row, n: -row.n })
  for (const row of countersOf(next)) addCounter(ledger, row)
  for (const row of previous === null ? [] : siteCountersOf(previous)) addSiteCounter(ledger, { ...row, n: -row.n })
  for (const row of siteCountersOf(next)) addSiteCounter(ledger, row)
}

/**
 * Counts an open or a click of a mail that was retired, for its account and the day of its request; API user, label and domain are not known
 * any more. A rebuild leaves the counters before `retentionStart` alone, so a mail after it, which never was stored, counts for nothing.
 */
export function countLateEngagement(
  ledger: LedgerState,
  { account, deliveryId, kind }: { readonly account: number; readonly deliveryId: string; readonly kind: 'open' | 'click' },
  retentionStart: number,
): void {
  const parts = parseDeliveryId(deliveryId)
  const day = parts === null ? Infinity : startOfDayNumber(parts.day)
  if (day < retentionStart)
    addCounter(ledger, { account, quarter: quarterHourOf(day), apiUser: '', labelId: 0, domain: '', metric: kind, n: 1 })
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

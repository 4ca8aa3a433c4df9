/**
 * update-counters - keeps the counters of a ledger state in step with its delivery rows
 *
 * When a row changes, its old counters are subtracted and its new ones added, so that counters follow the status whatever the order of
 * facts.
 *
 * Pure except for the LedgerState that it is given. See also: ledger/project/counters, ledger/project/fold.
 */
import { countersOf, siteCountersOf } from './counters.ts'
import { addSiteCount, type CounterRow, type DeliveryRow, type LedgerState, siteCounterKey, type SiteCounterRow } from './state.ts'

/** Adds the difference between two states of a row. */
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

/**
 * alarm-log - alarms and the brake, as the log and the metrics tell them once they are committed
 *
 * See also: ledger/facts/operator-facts (the facts), telemetry (bounced_alarms_total).
 */
import type { Fact } from '../ledger/facts/fact.ts'
import type { Telemetry } from '../telemetry.ts'

/**
 * Tells every alarm among facts, and every brake that trips or lets go. It names accounts, deliveries and sites, and never quotes: a
 * stranger's feedback type may hold an address. Total.
 */
export function logAlarms({ log, count }: Pick<Telemetry, 'log' | 'count'>, facts: readonly Fact[]): void {
  for (const fact of facts) {
    const { account, deliveryId, id: eventId } = fact
    if (fact.kind === 'alarm') {
      const { alarm } = fact.data
      count('bounced_alarms_total', { alarm })
      log.warn({ alarm, account, deliveryId, eventId }, 'an alarm was raised')
    } else if (fact.kind === 'brake') {
      const { site, held, why, hits, engaged } = fact.data
      log.warn({ site, held, why, hits, engaged, eventId }, held ? 'the brake holds the list writes of a site' : 'the brake lets a site go')
    }
  }
}

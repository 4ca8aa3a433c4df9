/**
 * alarm-log - logs and counts committed facts that an operator should see
 *
 * Lines carry ids of accounts, deliveries, sites and events. They never quote fact text: a sender chooses the feedback type, and it may
 * contain an address.
 *
 * See also: service/transact (calls it after the commit), ledger/facts/operator-facts, telemetry (bounced_alarms_total, bounced_complaints_total,
 * bounced_tls_report_sessions_total).
 */
import type { Fact } from '../ledger/facts/fact.ts'
import type { Telemetry } from '../telemetry.ts'

/**
 * Counts complaints by their proof, and the sessions that signed TLS reports count for our domains. Logs each alarm and each trip or release of the mass-bounce guard as a warning, and each list entry that the guard holds at debug level.
 * Call it after the commit. Total.
 */
export function logAlarms({ log, count }: Pick<Telemetry, 'log' | 'count'>, facts: readonly Fact[]): void {
  for (const fact of facts) {
    const { account, deliveryId, id: eventId } = fact
    if (fact.kind === 'alarm') {
      const { alarm } = fact.data
      count('bounced_alarms_total', { alarm })
      log.warn({ alarm, account, deliveryId, eventId }, 'alarm raised')
    } else if (fact.kind === 'complaint') {
      count('bounced_complaints_total', { proof: fact.data.tie.proof })
    } else if (fact.kind === 'tls-report') {
      const { signedBy, isOwnDomain, successful, failed } = fact.data
      if (signedBy === null || !isOwnDomain) continue
      count('bounced_tls_report_sessions_total', { outcome: 'successful' }, successful)
      count('bounced_tls_report_sessions_total', { outcome: 'failed' }, failed)
    } else if (fact.kind === 'brake') {
      const { site, held, why, hits, engaged } = fact.data
      const message = held ? 'mass-bounce guard tripped: list writes of this site are held' : 'mass-bounce guard released this site'
      log.warn({ site, held, why, hits, engaged, eventId }, message)
    } else if (fact.kind === 'list' && fact.data.pending) {
      const { list, site, rule, reason } = fact.data
      log.debug({ account, deliveryId, eventId, list, site, rule, reason }, 'list entry held by the mass-bounce guard')
    }
  }
}

/**
 * outcomes-by-time - finds deliveries by the time of their outcome, so that a rebuild checks the counters of sites window by window
 *
 * See also: store/facts/rebuild-counters.
 */
import type { Migration } from './migration.ts'

export const OUTCOMES_BY_TIME: Migration = {
  version: 19,
  name: 'deliveries by the time of their outcome',
  statements: ['create index deliveries_by_outcome on deliveries (status_at, account_id, delivery_id) where status <> 18'],
}

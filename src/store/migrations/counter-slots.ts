/**
 * counter-slots - finds the counters that are not folded yet
 *
 * See also: store/facts/counter-folding.
 */
import type { Migration } from './migration.ts'

export const COUNTER_SLOTS: Migration = {
  version: 15,
  name: 'counters that are not folded yet',
  statements: ['counters', 'site_counters', 'watch_counters'].map(
    (table) => `create index ${table}_unfolded on ${table} (quarter) where slot <> 0`,
  ),
}

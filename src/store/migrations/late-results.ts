/**
 * late-results - results of attempts that ended after another node had taken their lane group
 *
 * See also: store/queue/late-results (the same table as a mapping).
 */
import type { Migration } from './migration.ts'

export const LATE_RESULTS_STEP: Migration = {
  version: 22,
  name: 'results of attempts for the node that holds their lane group',
  statements: [
    `create table queue_late_results (
      account_id @int not null, delivery_id @text not null, dispatched_at @int not null, lane_group @int not null, data @text not null,
      primary key (account_id, delivery_id, dispatched_at)
    ) @strict`,
  ],
}

/**
 * machine-engagement - counts the opens and clicks of machines apart from those of people
 *
 * See also: ledger/project/delivery, tracking/machine-reading.
 */
import type { Migration } from './migration.ts'

export const MACHINE_ENGAGEMENT: Migration = {
  version: 27,
  name: 'opens and clicks by machines',
  statements: [
    'alter table deliveries add column machine_opens @int not null default 0',
    'alter table deliveries add column machine_clicks @int not null default 0',
  ],
}

/**
 * mta-advice - advice to MTAs that keep their own queues, and the outcomes that wait for it
 *
 * See also: store/queue/advice (the same tables as mappings).
 */
import type { Migration } from './migration.ts'

export const MTA_ADVICE: Migration = {
  version: 30,
  name: 'advice to other MTAs',
  statements: [
    `create table mta_advice (
      account_id @int not null, key @text not null, name @text not null, data @text not null, version @int not null,
      primary key (account_id, key, name)
    ) @strict`,
    `create table mta_outcomes (
      account_id @int not null, id @bytes not null, at @int not null, data @text not null,
      primary key (account_id, id)
    ) @strict`,
    'create index mta_outcomes_at on mta_outcomes (at)',
  ],
}

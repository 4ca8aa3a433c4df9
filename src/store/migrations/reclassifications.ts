/**
 * reclassifications - jobs that run a rule table over stored replies
 *
 * See also: store/reclassifications.
 */
import type { Migration } from './migration.ts'

export const RECLASSIFICATIONS_STEP: Migration = {
  version: 25,
  name: 'reclassifications',
  statements: [
    `create table reclassifications (
      job_id @bytes not null, state @text not null, undoes @bytes, since_at @int not null, until_at @int not null, only_account @int,
      rules @text not null, table_version @text not null, asked_by @text not null, created_at @int not null, started_at @int, ended_at @int,
      lists @text not null, webhooks @int not null, applied_by @text, cursor @text, done @int not null, total @int not null,
      preview @text not null, outcome @text not null, samples @text not null, attempts @int not null, lease @text not null,
      lease_until @int not null, error @text, primary key (job_id)
    ) @strict`,
  ],
}

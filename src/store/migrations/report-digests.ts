/**
 * report-digests - the digest of each received report with its time, so that the reports themselves can be partitioned by time
 *
 * A node of an older version writes reports without their digests. On PostgreSQL, where such a node may run beside newer ones, a trigger adds
 * them. It disappears with the table when the table is partitioned, which is done while no node runs.
 *
 * See also: store/mail/report-digests, store/partitions/partitioned-tables.
 */
import type { Migration } from './migration.ts'

export const REPORT_DIGESTS_STEP: Migration = {
  version: 26,
  name: 'digests of reports by time',
  statements: [
    `create table report_digests (digest @bytes not null, received_at @int not null, primary key (digest)) @narrow`,
    `@postgres create function add_report_digests() returns trigger language plpgsql as $body$ begin
      insert into report_digests (digest, received_at) select a.digest, a.received_at from added a on conflict do nothing;
      return null;
    end $body$`,
    // From here on, older nodes wait until the step is committed.
    `@postgres create trigger add_digests after insert on reports referencing new table as added
      for each statement execute function add_report_digests()`,
    'insert into report_digests (digest, received_at) select r.digest, r.received_at from reports r order by r.digest',
    'create index report_digests_by_time on report_digests (received_at)',
  ],
}

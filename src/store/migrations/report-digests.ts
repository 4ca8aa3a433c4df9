/**
 * report-digests - the digest of each received report with its time, so that the reports themselves can be partitioned by time
 *
 * A node of an older version writes reports without their digests. On PostgreSQL, where such a node may run beside newer ones, a trigger adds
 * them. It disappears with the table when the table is partitioned, which is done while no node runs.
 *
 * Then the reports are keyed by their time first, as their retention and their partitions are. A key that begins with a digest puts each new row on a
 * page of its own; one that begins with the time appends.
 *
 * See also: store/mail/report-digests, store/partitions/partitioned-tables, docs/PERFORMANCE.md (the pages that a report changes).
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

export const REPORTS_BY_TIME: Migration = {
  version: 37,
  name: 'reports by time',
  statements: [
    `@sqlite create table reports_by_time (
      digest @bytes not null, account_id @int not null, received_at @int not null, kind @text not null, size @int not null,
      truncated @int not null, peer @text, mail_from @text not null, rcpt_to @text not null, source @text not null,
      session_id @text not null, auth @text, content @bytes, primary key (received_at, digest)
    ) @narrow`,
    `@sqlite insert into reports_by_time
      select digest, account_id, received_at, kind, size, truncated, peer, mail_from, rcpt_to, source, session_id, auth, content
      from reports order by received_at, digest`,
    '@sqlite drop table reports',
    '@sqlite alter table reports_by_time rename to reports',
    // The conversion to partitions keeps the name of the constraint, but does not promise it.
    `@postgres do $body$ declare key_name name; begin
      select c.conname into key_name from pg_constraint c where c.conrelid = 'reports'::regclass and c.contype = 'p';
      execute format('alter table reports drop constraint %I, add constraint %I primary key (received_at, digest)', key_name, key_name);
    end $body$`,
    // Facts of lists are found by address through their subject (store/facts/facts).
    'drop index list_events_by_address',
  ],
}

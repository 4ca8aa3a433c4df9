/**
 * report-copies - the copies of reports that wait, and those that were sent
 *
 * See also: store/mail/report-copies (the same table as a mapping).
 */
import type { Migration } from './migration.ts'

export const ADD_REPORT_COPIES: Migration = {
  version: 29,
  name: 'copies of reports for their senders',
  statements: [
    `create table report_copies (
      account_id @int not null, delivery_id @text not null, kind @text not null, digest @bytes not null, address_hash @bytes not null,
      state @text not null, tries @int not null, due_at @int not null, created_at @int not null,
      primary key (account_id, delivery_id, kind)
    ) @narrow`,
    "create index report_copies_due on report_copies (due_at) where state = 'waiting'",
    'create index report_copies_by_address on report_copies (address_hash, created_at)',
  ],
}

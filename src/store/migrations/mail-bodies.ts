/**
 * mail-bodies - the step that stores the bytes of a received mail once, whatever the number of its recipients
 *
 * Creates empty tables and adds empty columns, so that it takes no time on a large store: rows that are older keep their bytes
 * (`raw_mails.body`, `route_mails.body`) until their retention ends, and are read from there.
 *
 * See also: store/mail/mail-bodies, store/mail/raw-mail, store/mail/forwarded-mails.
 */
import type { Migration } from './migration.ts'

export const MAIL_BODIES_STEP: Migration = {
  version: 18,
  name: 'bytes of received mails, once',
  statements: [
    `create table mail_bodies (
      content @bytes not null, size @int not null, body @bytes not null, primary key (content)
    ) @strict`,
    // The sum of the stored lengths is read from the index, not from the bytes.
    'create index mail_bodies_by_length on mail_bodies (length(body))',
    `create table mail_body_references (
      content @bytes not null, kind @text not null, account_id @int not null, digest @bytes not null, received_at @int not null,
      primary key (content, kind, account_id, digest)
    ) @narrow`,
    'create index mail_body_references_by_time on mail_body_references (kind, received_at)',
    'alter table reports add column content @bytes',
    'alter table route_mails add column content @bytes',
  ],
}

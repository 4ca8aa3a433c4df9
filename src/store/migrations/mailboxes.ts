/**
 * mailboxes - how far each IMAP mailbox has been read
 *
 * See also: store/mail/mailboxes (the same table as a mapping).
 */
import type { Migration } from './migration.ts'

export const ADD_MAILBOXES: Migration = {
  version: 31,
  name: 'the positions of IMAP mailboxes',
  statements: [
    `create table mailboxes (
      name @text not null, identity @text not null, uid_validity @text, last_uid @int not null, retry_uids @text not null,
      read_at @int, failing_since @int, problem @text, primary key (name)
    ) @narrow`,
  ],
}

/**
 * pending-verifications - mails in the inbox whose signatures are verified again
 *
 * See also: store/mail/pending-verifications (the same table as a mapping).
 */
import type { Migration } from './migration.ts'

export const ADD_PENDING_VERIFICATIONS: Migration = {
  version: 17,
  name: 'mails whose signatures are verified again',
  statements: [
    `create table pending_verifications (
      account_id @int not null, digest @bytes not null, received_at @int not null, tries @int not null, due_at @int not null,
      primary key (account_id, digest)
    ) @narrow`,
    'create index pending_verifications_due on pending_verifications (due_at)',
  ],
}

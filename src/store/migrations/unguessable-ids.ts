/**
 * unguessable-ids - the key that signs the names of a queued message, and Message-IDs looked up in all accounts at once
 *
 * A queued message keeps the key that signed its Message-ID, so that every attempt has the same one; null: queued before. A Message-ID in a
 * report names no account, so its index begins with it: one look-up, however many accounts there are.
 *
 * See also: store/queue/queued-mail, store/facts/ledger-state.
 */
import type { Migration } from './migration.ts'

export const UNGUESSABLE_IDS: Migration = {
  version: 16,
  name: 'the key of a queued message, deliveries by Message-ID',
  statements: [
    'alter table queue_mails add column key_index @int',
    'drop index deliveries_by_header',
    'create index deliveries_by_message_id on deliveries (message_id_header, account_id) where message_id_header is not null',
  ],
}

/**
 * followed-logs - logs of MTAs that are followed, the mails in their queues, and queue ids that senders gave at registration
 *
 * See also: store/mail/followed-logs, store/mail/followed-messages, store/mail/registered-queue-ids (the same tables as mappings).
 */
import type { Migration } from './migration.ts'

export const FOLLOWED_LOGS_STEP: Migration = {
  version: 32,
  name: 'logs of MTAs that are followed',
  statements: [
    `create table followed_logs (
      source @text not null, position @text not null, columns @text not null, hosts @text not null, revision @int not null,
      updated_at @int not null, primary key (source)
    ) @narrow`,
    `create table followed_messages (
      queue_id @text not null, host @text not null, first_seen_at @int not null, last_seen_at @int not null, sender @text,
      earlier_senders @text not null, message_ids @text not null, recipient_count @int, open @text not null, primary key (queue_id, host)
    ) @narrow`,
    'create index followed_messages_by_time on followed_messages (last_seen_at)',
    `create table registered_queue_ids (
      queue_id @text not null, account_id @int not null, delivery_id @text not null, registered_at @int not null,
      primary key (queue_id, account_id, delivery_id)
    ) @narrow`,
    'create index registered_queue_ids_by_time on registered_queue_ids (registered_at)',
  ],
}

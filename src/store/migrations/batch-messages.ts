/**
 * batch-messages - which queued messages are batch mail, so that transactional mail goes before them
 *
 * Messages that wait during the upgrade get the class of their delivery. See also: store/queue/queued-mail, queue/schedule/mail-class.
 */
import type { Migration } from './migration.ts'

export const BATCH_MESSAGES: Migration = {
  version: 36,
  name: 'the class of queued messages',
  statements: [
    'alter table queue_mails add column is_batch @int not null default 0',
    `update queue_mails set is_batch = 1 where exists (select 1 from deliveries d where d.account_id = queue_mails.account_id
      and d.delivery_id = queue_mails.delivery_id and d.delivery_month = queue_mails.delivery_month and d.email_type = 'batch')`,
  ],
}

/**
 * queued-labels - the label of a queued message, so that a person can pause or delete the mail of one label
 *
 * See also: store/queue/queued-mail, queue/schedule/label-pause.
 */
import type { Migration } from './migration.ts'

export const QUEUED_LABELS: Migration = {
  version: 34,
  name: 'the label of a queued message',
  statements: [
    'alter table queue_mails add column label_id @int',
    `update queue_mails set label_id = (select d.label_id from deliveries d where d.account_id = queue_mails.account_id
      and d.delivery_id = queue_mails.delivery_id and d.delivery_month = queue_mails.delivery_month)`,
  ],
}

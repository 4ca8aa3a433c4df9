/**
 * queued-label-names - the name of a queued message's label, by which rules choose its pool of egress IPs
 *
 * Messages that wait during the upgrade get the name that their delivery has. Null: no label, or accepted by a node of an older version.
 * See also: store/queue/queued-mail, queue/egress-pool.
 */
import type { Migration } from './migration.ts'

export const QUEUED_LABEL_NAMES: Migration = {
  version: 33,
  name: 'label names of queued messages',
  statements: [
    'alter table queue_mails add column label_name @text',
    `update queue_mails set label_name = (select d.label from deliveries d where d.account_id = queue_mails.account_id
      and d.delivery_id = queue_mails.delivery_id and d.delivery_month = queue_mails.delivery_month)`,
  ],
}

/**
 * send-times - when a queued message was accepted that is to be sent at a later time
 *
 * `accepted_at` is the send time of such a message, so that all that counts a lifetime or an age counts from there. Null: it has no send time.
 * See also: store/queue/queued-mail, queue/schedule/send-time.
 */
import type { Migration } from './migration.ts'

export const SEND_TIMES: Migration = {
  version: 35,
  name: 'send times of queued messages',
  statements: ['alter table queue_mails add column requested_at @int'],
}

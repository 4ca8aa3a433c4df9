/**
 * marked-by - the node that marked a queued message, so that another node gives it time to report the outcome
 *
 * Null: not marked, or marked before version 20 of the schema. See also: store/queue/queued-mail, service/deliver/queue-loader.
 */
import type { Migration } from './migration.ts'

export const MARKED_BY: Migration = {
  version: 20,
  name: 'the node that marked a queued message',
  statements: ['alter table queue_mails add column marked_by @text'],
}

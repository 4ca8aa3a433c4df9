/**
 * tables - every table of the schema
 *
 * A test compares this list with the tables and columns that the migrations create, on both engines. Whatever must cover the whole
 * schema (the erasure of an address) iterates over it.
 *
 * See also: store/migrations/migrations (the same tables as SQL), store/engine/table (the description of a table), store/erasure/mentions.
 */
import { ACCOUNTS } from './account/accounts.ts'
import { CREDENTIALS, API_USER_NAMES } from './account/credentials.ts'
import { DKIM_KEYS } from './account/dkim-keys.ts'
import { EVENT_SOURCES } from './account/event-sources.ts'
import { EVENT_TOKENS } from './account/event-tokens.ts'
import { LABELS } from './account/labels.ts'
import { SESSIONS } from './account/sessions.ts'
import { TOKEN_KEYS } from './account/token-keys.ts'
import { PASSWORD_LINKS, USERS } from './account/users.ts'
import { ALERT_ROWS } from './alerts.ts'
import { LEASES } from './engine/lease.ts'
import { LANE_GROUP_ROWS } from './queue/lane-groups.ts'
import { METADATA } from './engine/metadata.ts'
import { APPLIED_MIGRATIONS } from './engine/migrate.ts'
import { SEQUENCES } from './engine/sequences.ts'
import { EXPORTS, EXPORT_CHUNKS } from './exports.ts'
import { RETIRED_DELIVERIES } from './facts/retired-deliveries.ts'
import { WATCH_COUNTERS } from './facts/watch-counters.ts'
import { ACCESS_BLOCKS } from './lists/blocks.ts'
import { DELIVERIES } from './mail/delivery-columns.ts'
import { FOLLOWED_LOGS } from './mail/followed-logs.ts'
import { FOLLOWED_MESSAGES } from './mail/followed-messages.ts'
import { FORWARD_DOMAINS } from './mail/forward-domains.ts'
import { FORWARDED_MAILS } from './mail/forwarded-mails.ts'
import { PENDING_VERIFICATIONS } from './mail/pending-verifications.ts'
import { MAILBOX_ROWS } from './mail/mailboxes.ts'
import { BODY_REFERENCES, MAIL_BODIES } from './mail/mail-bodies.ts'
import { RAW_MAILS } from './mail/raw-mail.ts'
import { REGISTERED_QUEUE_IDS } from './mail/registered-queue-ids.ts'
import { REPORT_DIGESTS } from './mail/report-digests.ts'
import { REPORTS } from './mail/reports.ts'
import { SUBMISSIONS } from './mail/submissions.ts'
import { ADVICE_INPUTS, ADVICE_ROWS } from './queue/advice.ts'
import { BACKOFF_KEY_ROWS, QUEUED_FEEDBACK } from './queue/backoff-keys.ts'
import { QUEUE_COMMANDS, QUEUE_COMMAND_RESULTS } from './queue/commands.ts'
import { LANE_SNAPSHOTS, LANE_THROUGHPUT } from './queue/lane-snapshots.ts'
import { LATE_RESULTS } from './queue/late-results.ts'
import { QUEUED_BODIES } from './queue/queued-bodies.ts'
import { QUEUED_MESSAGES } from './queue/queued-mail.ts'
import { RECLASSIFICATIONS } from './reclassifications.ts'
import { FACTS, LIST_FACTS, SUPPRESSIONS, INBOX, COUNTERS, SITE_COUNTERS, SITE_STATES } from './schema.ts'
import { WEBHOOK_RECORDS } from './webhook/attempts.ts'
import { ENDPOINTS } from './webhook/endpoints.ts'
import { OUTBOX } from './webhook/outbox.ts'
import { TRACKING_DOMAINS } from './account/tracking-domains.ts'
import { REPORT_COPIES } from './mail/report-copies.ts'
import type { Table } from './engine/table.ts'

export const TABLES: readonly Table[] = [
  ACCOUNTS,
  CREDENTIALS,
  API_USER_NAMES,
  DKIM_KEYS,
  EVENT_SOURCES,
  EVENT_TOKENS,
  LABELS,
  TOKEN_KEYS,
  TRACKING_DOMAINS,
  USERS,
  SESSIONS,
  PASSWORD_LINKS,
  ALERT_ROWS,
  LEASES,
  LANE_GROUP_ROWS,
  QUEUE_COMMAND_RESULTS,
  METADATA,
  APPLIED_MIGRATIONS,
  SEQUENCES,
  EXPORTS,
  EXPORT_CHUNKS,
  RETIRED_DELIVERIES,
  WATCH_COUNTERS,
  ACCESS_BLOCKS,
  DELIVERIES,
  FOLLOWED_LOGS,
  FOLLOWED_MESSAGES,
  REGISTERED_QUEUE_IDS,
  FORWARD_DOMAINS,
  FORWARDED_MAILS,
  PENDING_VERIFICATIONS,
  RAW_MAILS,
  MAIL_BODIES,
  MAILBOX_ROWS,
  BODY_REFERENCES,
  REPORTS,
  REPORT_DIGESTS,
  REPORT_COPIES,
  SUBMISSIONS,
  ADVICE_ROWS,
  ADVICE_INPUTS,
  BACKOFF_KEY_ROWS,
  QUEUED_FEEDBACK,
  LATE_RESULTS,
  QUEUE_COMMANDS,
  LANE_SNAPSHOTS,
  LANE_THROUGHPUT,
  QUEUED_MESSAGES,
  QUEUED_BODIES,
  RECLASSIFICATIONS,
  FACTS,
  LIST_FACTS,
  SUPPRESSIONS,
  INBOX,
  COUNTERS,
  SITE_COUNTERS,
  SITE_STATES,
  WEBHOOK_RECORDS,
  ENDPOINTS,
  OUTBOX,
].map(({ table }) => table)

/**
 * released - the steps of the schema of the first release, versions 1 to 14; they never change
 *
 * Types are written `@int`, `@text`, `@bytes`. Each table ends in `@strict` (wide rows) or `@narrow` (short rows, stored in the tree of
 * their key where the engine can): see store/engine/migrate. `account_id` is the first key column of every table that belongs to
 * accounts. Tables that PostgreSQL may later partition by month have the month in each of their unique keys.
 *
 * See also: store/tables (the same tables as mappings), store/migrations/migrations (the list).
 */
import type { Migration } from './migration.ts'

/** The columns of a fact, the same for deliveries and for lists. */
const FACT_COLUMNS = `
  id @bytes not null, account_id @int not null, delivery_month @int not null, subject @text not null, delivery_id @text,
  kind @text not null, v @int not null, at @int not null, received_at @int not null, dedup_key @text not null,
  address_hash @bytes, data @text not null`

const FACTS: readonly string[] = [
  // Appended in order of arrival. Found by subject: a delivery, a list entry, a mail, a site.
  `create table events (${FACT_COLUMNS}) @strict`,
  'create unique index events_by_subject on events (account_id, subject, delivery_month, dedup_key)',
  // List facts have a table of their own, which retention never touches.
  `create table list_events (${FACT_COLUMNS}) @strict`,
  'create unique index list_events_by_subject on list_events (account_id, subject, delivery_month, dedup_key)',
  'create index list_events_by_address on list_events (account_id, address_hash)',
  // A list fact is part of the timeline of the delivery that caused it.
  'create index list_events_by_delivery on list_events (account_id, delivery_id) where delivery_id is not null',
  `create table reports (
    digest @bytes not null, account_id @int not null, received_at @int not null, kind @text not null, size @int not null,
    truncated @int not null, peer @text, mail_from @text not null, rcpt_to @text not null, source @text not null,
    session_id @text not null, primary key (digest)
  ) @narrow`,
  // Keyed by time first: mails are added at one end and expire at the other. A report row knows the time of its mail.
  `create table raw_mails (
    received_at @int not null, digest @bytes not null, size @int not null, body @bytes not null, primary key (received_at, digest)
  ) @strict`,
]

const DELIVERIES: readonly string[] = [
  `create table deliveries (
    account_id @int not null, delivery_id @text not null, delivery_month @int not null, email_id @text, message_id @text,
    recipient @text, address_hash @bytes, domain @text not null, site @text, api_user @text not null, label_id @int, label @text,
    email_type @text not null, broadcast @text, sender @text not null, subject @text not null, headers @text not null,
    message_id_header @text, request_ip @text, egress_ip @text, mx @text, route_key @text not null, requested_at @int not null,
    registered @int not null, status @int not null, sub_status @int, asynchronous @int not null, reason @text, permanence @text,
    fault @text, weak @int not null, forwarded @int not null, engaged @int not null, status_at @int not null, status_fact @bytes not null,
    status_rank @int not null, rule @text, reported_domain @text, send_log @text not null, delivered_at @int, opened_at @int,
    clicked_at @int, touched_at @int, attempts @int not null, opens @int not null, clicks @int not null, complaints @int not null,
    unsubscribes @int not null, complaint_episode @int not null, not_spam_episode @int not null, modified_at @int not null,
    result @text not null, result_base @text not null, result_rank @int not null, result_at @int not null, result_fact @bytes not null,
    reclassified @int not null, primary key (account_id, delivery_id, delivery_month)
  ) @strict`,
  // The index contains the columns that filters use most and that never change, so that a time range is counted without its rows.
  'create index deliveries_by_time on deliveries (account_id, requested_at, delivery_id, label_id, api_user)',
  'create index deliveries_by_address on deliveries (account_id, address_hash, requested_at, delivery_id)',
  'create unique index deliveries_by_email on deliveries (account_id, email_id, delivery_month) where email_id is not null',
  'create index deliveries_by_header on deliveries (account_id, message_id_header) where message_id_header is not null',
  // The few deliveries that bounced, found by time.
  'create index deliveries_bounced on deliveries (account_id, status, requested_at, delivery_id, sub_status) where status in (4, 5)',
]

const PROJECTIONS: readonly string[] = [
  `create table suppressions (
    account_id @int not null, list @text not null, address_hash @bytes not null, scope @text not null, address @text,
    domain @text not null, is_domain @int not null, n @int not null, change @int not null, from_at @int not null, until_at @int,
    removed_at @int, pending @int not null, reason @text not null, rule @text, site @text, delivery_id @text, proof @text,
    unsubscribe_type @int, api_user @text, label_id @int, fact_id @bytes not null, primary key (account_id, address_hash, list, scope)
  ) @strict`,
  'create index suppressions_by_time on suppressions (account_id, list, from_at, address_hash, scope)',
  `create table inbox (
    account_id @int not null, digest @bytes not null, reason @text not null, kind @text not null, state @text not null,
    received_at @int not null, sender @text, subject @text, summary @text not null, delivery_id @text, state_at @int not null,
    fact_id @bytes not null, primary key (account_id, digest)
  ) @strict`,
  'create index inbox_by_time on inbox (account_id, state, received_at, digest)',
  'create index inbox_by_digest on inbox (digest)',
  `create table counters (
    account_id @int not null, quarter @int not null, api_user @text not null, label_id @int not null, domain @text not null,
    metric @text not null, slot @int not null, n @int not null, primary key (account_id, quarter, api_user, label_id, domain, metric, slot)
  ) @narrow`,
  `create table site_counters (
    site @text not null, quarter @int not null, metric @text not null, slot @int not null, n @int not null,
    primary key (site, quarter, metric, slot)
  ) @narrow`,
  `create table site_states (
    site @text not null, held @int not null, change @int not null, at @int not null, fact_id @bytes not null, primary key (site)
  ) @narrow`,
]

const ACCOUNTS: readonly string[] = [
  `create table accounts (
    account_id @int not null, name @text not null, created_at @int not null, closed_at @int, offline_for @int,
    settings_version @int not null, settings @text not null, primary key (account_id)
  ) @strict`,
  `create table credentials (
    account_id @int not null, api_user @text not null, key_hash @bytes not null, role @text not null, created_at @int not null,
    expires_at @int, primary key (account_id, api_user, key_hash)
  ) @narrow`,
  'create index credentials_by_user on credentials (api_user)',
  // Names of API users are unique over all accounts.
  'create table api_users (api_user @text not null, account_id @int not null, primary key (api_user)) @narrow',
  `create table labels (
    account_id @int not null, label_id @int not null, name @text not null, folded @text not null, created_at @int not null,
    updated_at @int not null, primary key (account_id, label_id)
  ) @strict`,
  'create unique index labels_by_name on labels (account_id, name)',
  `create table token_keys (
    account_id @int not null, key_index @int not null, sealed @bytes not null, created_at @int not null, retired_at @int,
    primary key (account_id, key_index)
  ) @narrow`,
  'create table sequences (account_id @int not null, name @text not null, next @int not null, primary key (account_id, name)) @narrow',
  'create table meta (name @text not null, value @text not null, primary key (name)) @narrow',
  `create table endpoints (
    account_id @int not null, endpoint_id @int not null, url @text not null, name @text not null, events @text not null,
    format @text not null, ladder @text not null, sealed_key @bytes not null, enabled @int not null, created_at @int not null,
    updated_at @int not null, primary key (account_id, endpoint_id)
  ) @strict`,
  `create table outbox (
    account_id @int not null, endpoint_id @int not null, event_id @bytes not null, subject @text not null, delivery_month @int not null,
    dedup_key @text not null, kind @text not null, state @text not null, attempts @int not null, due_at @int not null,
    created_at @int not null, error @text, primary key (account_id, endpoint_id, event_id)
  ) @narrow`,
  "create index outbox_due on outbox (due_at) where state in ('waiting', 'sending')",
  "create index outbox_in_line on outbox (account_id, endpoint_id, subject, event_id) where state in ('waiting', 'sending')",
]

/** The authentication results of a mail, and the peers, tokens and accounts that an operator has blocked. */
const TRUST: readonly string[] = [
  'alter table reports add column auth @text',
  `create table cuts (
    kind @text not null, name @text not null, reason @text not null, actor @text not null, created_at @int not null,
    primary key (kind, name)
  ) @narrow`,
]

/** Entries that the mass-bounce guard holds are few among millions, so they have an index of their own. */
const HELD: readonly string[] = [
  'create index suppressions_pending on suppressions (site, account_id, address_hash, list, scope) where pending = 1',
]

/** The provider that a report's Remote-MTA names, where it differs from the recipient's domain. */
const REMOTE_SITE: readonly string[] = ['alter table deliveries add column remote_site @text']

/** Due events of one endpoint, independent of how many wait at the others. */
const DUE: readonly string[] = [
  "create index outbox_of_endpoint on outbox (account_id, endpoint_id, due_at, event_id) where state in ('waiting', 'sending')",
]

/**
 * Queued messages, and the state of the backoff keys. A message is found by its key; two short indexes serve the start (oldest first) and
 * new messages (`fresh`). A body counts the messages that need it.
 */
const QUEUE: readonly string[] = [
  `create table queue_bodies (
    account_id @int not null, body_id @text not null, content @bytes not null, mails @int not null, created_at @int not null,
    primary key (account_id, body_id)
  ) @strict`,
  `create table queue_mails (
    account_id @int not null, delivery_id @text not null, delivery_month @int not null, body_id @text not null, recipient @text not null,
    domain @text not null, sender_domain @text not null, variables @text not null, accepted_at @int not null, due_at @int not null,
    attempts @int not null, dispatched_at @int, refused_by @text not null, fresh @int not null,
    primary key (account_id, delivery_id, delivery_month)
  ) @narrow`,
  'create index queue_mails_by_time on queue_mails (accepted_at, account_id, delivery_id)',
  'create index queue_mails_fresh on queue_mails (accepted_at, account_id, delivery_id) where fresh = 1',
  // Backoff keys belong to the installation: an IP or a site belongs to no account.
  'create table queue_keys (key @text not null, name @text not null, data @text not null, primary key (key, name)) @narrow',
  `create table queue_lease (
    name @text not null, holder @text not null, term @int not null, until_at @int not null, primary key (name)
  ) @narrow`,
  // Asynchronous feedback about delivered messages, until the delivering node has read it.
  `create table queue_reports (
    account_id @int not null, id @bytes not null, kind @text not null, at @int not null, primary key (account_id, id)
  ) @narrow`,
]

/**
 * Export jobs and the chunks of their files, and indexes for two filters that would otherwise scan a whole time range. A chunk is found
 * by its number. The few jobs that are queued or running have an index of their own.
 */
const EXPORTS: readonly string[] = [
  `create table exports (
    account_id @int not null, export_id @bytes not null, kind @text not null, format @text not null, gzip @int not null, bom @int not null,
    filters @text not null, from_at @int not null, to_at @int not null, state @text not null, asked_by @text not null,
    created_at @int not null, started_at @int, ended_at @int, expires_at @int, rows_done @int not null, bytes_done @int not null,
    chunks @int not null, attempts @int not null, last_key @text, lease @text not null, lease_until @int not null, error @text,
    primary key (account_id, export_id)
  ) @strict`,
  "create index exports_open on exports (created_at, export_id) where state in ('queued', 'running')",
  `create table export_chunks (
    account_id @int not null, export_id @bytes not null, n @int not null, body @bytes not null, primary key (account_id, export_id, n)
  ) @strict`,
  'create index deliveries_by_request_ip on deliveries (account_id, request_ip, requested_at, delivery_id) where request_ip is not null',
  'create index deliveries_by_egress_ip on deliveries (account_id, egress_ip, requested_at, delivery_id) where egress_ip is not null',
]

/** Commands to the delivery queue, and a snapshot of one node's memory for all nodes. */
const QUEUE_COMMANDS: readonly string[] = [
  `create table queue_commands (
    account_id @int not null, command_id @bytes not null, command @text not null, actor @text not null, state @text not null,
    created_at @int not null, settled_at @int, moved @int not null, deleted @int not null, said @text, primary key (account_id, command_id)
  ) @strict`,
  "create index queue_commands_waiting on queue_commands (created_at, command_id) where state = 'waiting'",
  `create table queue_lanes (
    account_id @int not null, domain @text not null, status @text not null, saved_at @int not null, primary key (account_id, domain)
  ) @strict`,
  `create table queue_steps (
    account_id @int not null, domain @text not null, width @int not null, at @int not null, ins @int not null, tries @int not null,
    outs @int not null, primary key (account_id, domain, width, at)
  ) @narrow`,
  'create index queue_steps_by_time on queue_steps (width, at)',
]

/** A removed label keeps its number and name for old statistics, and its name can be used again. Opens and clicks are found by time. */
const LABELS_AND_ENGAGEMENT: readonly string[] = [
  'alter table labels add column deleted_at @int',
  'drop index labels_by_name',
  'create unique index labels_by_name on labels (account_id, name) where deleted_at is null',
  "create index events_of_engagement on events (account_id, at, id) where kind in ('open', 'click')",
]

/** Responses to requests with an idempotency key, and the keys that the sender domains sign with. */
const SENDING: readonly string[] = [
  `create table submissions (
    account_id @int not null, request_key @text not null, at @int not null, answer @text not null, primary key (account_id, request_key)
  ) @strict`,
  'create index submissions_by_time on submissions (at)',
  `create table dkim_keys (
    account_id @int not null, domain @text not null, selector @text not null, algorithm @text not null, public_key @text not null,
    sealed @bytes, state @text not null, created_at @int not null, state_at @int not null, primary key (account_id, domain, selector)
  ) @strict`,
]

/** Records of webhook attempts, inbound mail for the domains of accounts, and the measurements of alerts. */
const WEBHOOK_RECORDS: readonly string[] = [
  "alter table endpoints add column api_users @text not null default '[]'",
  `create table webhook_records (
    account_id @int not null, endpoint_id @int not null, event_id @bytes not null, event @text not null, kind @text not null,
    subject @text not null, delivery_month @int not null, dedup_key @text not null, email_id @text, state @text not null,
    tries @int not null, happened_at @int not null, last_at @int not null, log @text not null, primary key (account_id, endpoint_id, event_id)
  ) @strict`,
  'create index webhook_records_by_email on webhook_records (account_id, email_id) where email_id is not null',
  'create index webhook_records_by_time on webhook_records (happened_at)',
  'create table route_domains (account_id @int not null, domain @text not null, created_at @int not null, primary key (account_id, domain)) @narrow',
  // A domain belongs to one account.
  'create unique index route_domains_once on route_domains (domain)',
  `create table route_mails (
    account_id @int not null, digest @bytes not null, received_at @int not null, size @int not null, truncated @int not null,
    mail_from @text not null, rcpt_to @text not null, peer @text, body @bytes not null, primary key (account_id, digest)
  ) @strict`,
  'create index route_mails_by_time on route_mails (received_at, account_id, digest)',
  `create table watch_counters (
    account_id @int not null, quarter @int not null, metric @text not null, name @text not null, slot @int not null, n @int not null,
    primary key (account_id, quarter, metric, name, slot)
  ) @narrow`,
  'create index watch_counters_by_time on watch_counters (quarter)',
  `create table alerts (
    account_id @int not null, alert @text not null, about @text not null, state @text not null, change @int not null, since @int not null,
    data @text not null, fact_id @bytes not null, mailed @int not null, mail_due_at @int not null, primary key (account_id, alert, about)
  ) @strict`,
]

/** Facts in the order of their ids, for subscribers. The deliveries of a broadcast by result, counted without their rows. */
const FEEDS: readonly string[] = [
  'create index events_by_id on events (account_id, id)',
  'create index list_events_by_id on list_events (account_id, id)',
  'create index deliveries_by_broadcast on deliveries (account_id, broadcast, delivery_id, result) where broadcast is not null',
]

/** An account's inbound mail, newest first. */
const INBOUND_MAIL_BY_TIME: readonly string[] = ['create index route_mails_of_account on route_mails (account_id, received_at, digest)']

/** What the tokens of a retired delivery still need: no clear address, and no index beside the key. */
const RETIRED_DELIVERIES: readonly string[] = [
  `create table retired_deliveries (
    account_id @int not null, delivery_id @text not null, delivery_month @int not null, address_hash @bytes not null, domain @text not null,
    api_user @text not null, label_id @int, label @text, primary key (account_id, delivery_id, delivery_month)
  ) @narrow`,
]

/** The released steps, in order. */
export const RELEASED_MIGRATIONS: readonly Migration[] = [
  { version: 1, name: 'first schema', statements: [...FACTS, ...DELIVERIES, ...PROJECTIONS, ...ACCOUNTS] },
  { version: 2, name: 'proofs beside reports, cuts', statements: TRUST },
  { version: 3, name: 'what the brake holds, by site', statements: HELD },
  { version: 4, name: 'the site that a report names', statements: REMOTE_SITE },
  { version: 5, name: 'what is due at an endpoint', statements: DUE },
  { version: 6, name: 'the delivery queue', statements: QUEUE },
  { version: 7, name: 'sending: answers given, signing keys', statements: SENDING },
  { version: 8, name: 'labels that were removed, opens and clicks by time', statements: LABELS_AND_ENGAGEMENT },
  { version: 9, name: 'records of webhooks, mail for accounts, alerts', statements: WEBHOOK_RECORDS },
  { version: 10, name: 'exports; deliveries by their IPs', statements: EXPORTS },
  { version: 11, name: 'orders to the delivery queue, and its picture', statements: QUEUE_COMMANDS },
  { version: 12, name: 'facts by id, mails by broadcast', statements: FEEDS },
  { version: 13, name: 'mail for an account by time', statements: INBOUND_MAIL_BY_TIME },
  { version: 14, name: 'what remains of retired mails', statements: RETIRED_DELIVERIES },
]

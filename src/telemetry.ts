/**
 * telemetry - the logger and the metrics of the process, with masking of addresses and of control characters
 *
 * Logs are JSON lines, or readable text on a terminal. A line carries ids (sessionId, deliveryId, eventId), never a mail body and never a
 * whole address: the fields in ADDRESS_FIELDS are masked at every level. Metrics are the rows of METRICS; a name that is not in the table
 * does not compile. pino and prom-client are loaded when telemetry is created, so that short commands do not load them.
 *
 * See also: http/server/health (serves the metrics), daemon/app (creates the telemetry).
 */
import type { Logger } from 'pino'
import { createTrace, type Trace } from './trace.ts'

/** One metric. Its name ends in its unit, `_seconds` or `_bytes`, by the convention of Prometheus. */
type MetricRow = {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  readonly buckets?: readonly number[]
}

const LATENCY_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10] as const

/** Up to four days: the time after which a queued message expires by default. */
const QUEUE_TIME_BUCKETS_SECONDS = [0.1, 0.5, 1, 5, 30, 60, 300, 900, 3_600, 14_400, 86_400, 345_600] as const

const METRICS = {
  bounced_smtp_connections: { kind: 'gauge', help: 'Open SMTP connections', labels: [] },
  bounced_smtp_sessions_total: { kind: 'counter', help: 'SMTP connections accepted', labels: [] },
  bounced_smtp_refused_total: { kind: 'counter', help: 'SMTP connections and commands refused, by reason', labels: ['reason'] },
  bounced_smtp_body_bytes: { kind: 'gauge', help: 'Bytes of incoming mail in memory', labels: [] },
  bounced_lmtp_connections: { kind: 'gauge', help: 'Open LMTP connections', labels: [] },
  bounced_lmtp_body_bytes: { kind: 'gauge', help: 'Bytes of mail by LMTP in memory', labels: [] },
  bounced_mailbox_mails_total: {
    kind: 'counter',
    help: 'Mails of IMAP mailboxes: read, repeated (known before), unread (no report, moved)',
    labels: ['mailbox', 'outcome'],
  },
  bounced_mailbox_failures_total: { kind: 'counter', help: 'Sessions with an IMAP mailbox that failed', labels: ['mailbox'] },
  bounced_mailboxes_failing: { kind: 'gauge', help: 'IMAP mailboxes that this node cannot read', labels: [] },
  bounced_submission_connections: { kind: 'gauge', help: 'Open connections of SMTP submission', labels: [] },
  bounced_submission_body_bytes: { kind: 'gauge', help: 'Bytes of incoming submissions in memory', labels: [] },
  bounced_mails_received_total: { kind: 'counter', help: 'Mails committed, by kind of report', labels: ['kind'] },
  bounced_inbound_mails_total: { kind: 'counter', help: 'Inbound mails for accounts at their own domains', labels: ['outcome'] },
  bounced_mails_duplicate_total: { kind: 'counter', help: 'Mails that had been received before and changed nothing', labels: [] },
  bounced_mails_deferred_total: { kind: 'counter', help: 'Mails answered with 451 because they could not be committed', labels: [] },
  bounced_forged_ids_total: {
    kind: 'counter',
    help: 'Mails that name an id in our form that we did not make; at most one for each mail',
    labels: [],
  },
  bounced_store_faults_total: {
    kind: 'counter',
    help: 'Transactions and reads that the store failed, by its code: SQLSTATE, or the result code of SQLite',
    labels: ['code'],
  },
  bounced_verdicts_total: { kind: 'counter', help: 'Verdicts, by reason and rule table', labels: ['reason', 'table'] },
  bounced_inbox_total: { kind: 'counter', help: 'Mails put into the inbox, by reason', labels: ['reason'] },
  bounced_signatures_not_verified_total: {
    kind: 'counter',
    help: 'Mails whose signatures were not verified, by the limit that they exceed, or temperror',
    labels: ['cause'],
  },
  bounced_pending_verifications: { kind: 'gauge', help: 'Mails in the inbox whose signatures will be verified again', labels: [] },
  bounced_pending_tries_total: { kind: 'counter', help: 'Pending mails verified again, by outcome', labels: ['outcome'] },
  bounced_complaints_total: {
    kind: 'counter',
    help: 'Complaints recorded, by proof: signed, token, or operator (accepted by a person)',
    labels: ['proof'],
  },
  bounced_tls_report_sessions_total: { kind: 'counter', help: 'Sessions to our domains in signed TLS reports', labels: ['outcome'] },
  bounced_alarms_total: { kind: 'counter', help: 'Alarms recorded as facts', labels: ['alarm'] },
  bounced_alerts_total: { kind: 'counter', help: 'Alerts raised and cleared', labels: ['alert', 'state'] },
  bounced_alerts_raised: { kind: 'gauge', help: 'Alerts that are raised now', labels: [] },
  bounced_batch_mails: { kind: 'histogram', help: 'Mails in one transaction', labels: [], buckets: [1, 2, 5, 10, 20, 50, 100, 200] },
  bounced_receive_stage_seconds: {
    kind: 'histogram',
    help: 'Duration of one stage of receiving a mail',
    labels: ['stage'],
    buckets: LATENCY_BUCKETS_SECONDS,
  },
  bounced_esp_events_total: {
    kind: 'counter',
    help: 'Events of email service providers, by what became of them; refused counts requests that are not proven',
    labels: ['esp', 'outcome'],
  },
  bounced_report_copies_total: {
    kind: 'counter',
    help: 'Copies of reports for their senders, by outcome or by why there is none',
    labels: ['outcome'],
  },
  bounced_log_lines_total: { kind: 'counter', help: 'Lines read from logs of MTAs, by what they were', labels: ['kind'] },
  bounced_log_outcomes_total: { kind: 'counter', help: 'Outcomes that logs of MTAs named, by result', labels: ['result'] },
  bounced_site_attempts_total: {
    kind: 'counter',
    help: 'Attempts of whoever sends, by receiving site (`other`: one that the rules do not know) and outcome',
    labels: ['site', 'outcome'],
  },
  bounced_attempts_total: { kind: 'counter', help: 'Attempts reported by external senders, by outcome', labels: ['outcome'] },
  bounced_advice_keys: {
    kind: 'gauge',
    help: 'Backoff keys of other MTAs that are stopped or slowed down, on the node that works out advice',
    labels: [],
  },
  bounced_advice_transitions_total: {
    kind: 'counter',
    help: 'Transitions of backoff keys of other MTAs, by the state that they lead to',
    labels: ['to'],
  },
  bounced_queue_scheduled: { kind: 'gauge', help: 'Messages that wait for their send time', labels: [] },
  bounced_queue_waiting: { kind: 'gauge', help: 'Messages waiting in the delivery queue', labels: [] },
  bounced_queue_in_flight: { kind: 'gauge', help: 'Messages being sent', labels: [] },
  bounced_queue_backoff_keys: {
    kind: 'gauge',
    help: 'Backoff keys that are throttled, paused, probing or recovering',
    labels: [],
  },
  bounced_queue_lease_held: { kind: 'gauge', help: '1 while this node holds its lease to deliver, otherwise 0', labels: [] },
  bounced_queue_lane_groups: { kind: 'gauge', help: 'Lane groups that this node delivers', labels: [] },
  bounced_queue_attempts_total: { kind: 'counter', help: 'Attempts of the delivery queue, by outcome', labels: ['outcome'] },
  bounced_attempt_log_lines_total: { kind: 'counter', help: 'Lines for delivery.attemptLog, by outcome', labels: ['outcome'] },
  bounced_queue_uncertain_total: {
    kind: 'counter',
    help: 'Messages in flight when their node stopped, with unknown outcome; they are sent again',
    labels: [],
  },
  bounced_queue_seconds: {
    kind: 'histogram',
    help: 'Time from acceptance of a message to its final outcome',
    labels: ['end'],
    buckets: QUEUE_TIME_BUCKETS_SECONDS,
  },
  bounced_tracking_requests_total: {
    kind: 'counter',
    help: 'Requests of open and click links, by kind, and whether the link is valid, expired or invalid',
    labels: ['kind', 'link'],
  },
  bounced_engagement_total: {
    kind: 'counter',
    help: 'Opens and clicks recorded, by kind and by person or machine',
    labels: ['kind', 'by'],
  },
  bounced_engagement_dropped_total: { kind: 'counter', help: 'Opens and clicks answered but not recorded, by cause', labels: ['cause'] },
  bounced_registrations_total: { kind: 'counter', help: 'Recipients registered', labels: [] },
  bounced_webhooks_total: { kind: 'counter', help: 'Webhook requests, by outcome', labels: ['outcome'] },
  bounced_webhook_seconds: { kind: 'histogram', help: 'Time until an endpoint responded', labels: [], buckets: LATENCY_BUCKETS_SECONDS },
  bounced_webhook_circuits_open: { kind: 'gauge', help: 'Webhook endpoints whose circuit breaker is open', labels: [] },
  bounced_retired_total: { kind: 'counter', help: 'Records removed by retention', labels: ['what'] },
  bounced_replica_used: {
    kind: 'gauge',
    help: '1 while lists, statistics and exports are read from store.replica, otherwise 0',
    labels: [],
  },
  bounced_replica_lag_seconds: { kind: 'gauge', help: 'How far store.replica was behind when it was last measured', labels: [] },
  bounced_clock_offset_seconds: {
    kind: 'gauge',
    help: 'How far the clock of this machine is ahead of the time that bounced uses (with PostgreSQL: the time of the server)',
    labels: [],
  },
  bounced_disk_free_bytes: { kind: 'gauge', help: 'Free bytes on the disk of the store (with PostgreSQL: of the data folder)', labels: [] },
  bounced_stored_mails: {
    kind: 'gauge',
    help: 'Received mails whose bytes are stored, each once whatever the number of its recipients',
    labels: [],
  },
  bounced_stored_mail_bytes: { kind: 'gauge', help: 'Bytes that received mails occupy in the store, compressed', labels: [] },
  bounced_exports_total: { kind: 'counter', help: 'Exports, by outcome', labels: ['outcome'] },
  bounced_export_rows_total: { kind: 'counter', help: 'Rows written by exports', labels: [] },
  bounced_reclassified_total: {
    kind: 'counter',
    help: 'Verdicts that a reclassification found to differ (checking) or replaced (applying)',
    labels: ['state'],
  },
  bounced_http_requests_total: { kind: 'counter', help: 'HTTP requests, by route and status', labels: ['route', 'status'] },
  bounced_certificate_days: { kind: 'gauge', help: 'Days until the first certificate of the HTTPS listener ends', labels: [] },
  bounced_certificate_problems: { kind: 'gauge', help: 'Certificates of the HTTPS listener whose files cannot be read', labels: [] },
  bounced_http_connections: { kind: 'gauge', help: 'Open HTTP connections', labels: [] },
  bounced_http_connections_closed_total: { kind: 'counter', help: 'HTTP connections closed by a limit, by reason', labels: ['reason'] },
  bounced_http_body_bytes: { kind: 'gauge', help: 'Bytes of incoming request bodies in memory', labels: [] },
  bounced_http_bodies_refused_total: { kind: 'counter', help: 'Request bodies refused or aborted, by reason', labels: ['reason'] },
  bounced_http_seconds: { kind: 'histogram', help: 'Duration of one HTTP request', labels: ['route'], buckets: LATENCY_BUCKETS_SECONDS },
} as const satisfies Record<string, MetricRow>

export type MetricName = keyof typeof METRICS
type MetricLabels = Readonly<Record<string, string | number>>

/** `count` adds to a counter, 1 by default. `setGauge` sets a gauge. `observe` adds a value to a histogram. None of them throws. */
export type Telemetry = {
  readonly log: Logger
  /** Live events for `bounced trace`. */
  readonly trace: Trace
  readonly count: (name: MetricName, labels?: MetricLabels, n?: number) => void
  readonly setGauge: (name: MetricName, value: number) => void
  readonly observe: (name: MetricName, value: number, labels?: MetricLabels) => void
  /** Resolves to the metrics in the Prometheus text format and their content type. */
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
type LogLevel = (typeof LOG_LEVELS)[number]

/** Log fields that hold an address. */
const ADDRESS_FIELDS = ['recipient', 'address', 'email', 'from', 'to', 'mailFrom', 'rcptTo', 'emailId'] as const

/** Creates the telemetry of the process. Logs go to standard error. `format` auto: pretty when standard error is a terminal, else JSON. */
export async function createTelemetry(options: { level: LogLevel; format: 'auto' | 'json' | 'pretty' }): Promise<Telemetry> {
  const pretty = options.format === 'pretty' || (options.format === 'auto' && process.stderr.isTTY === true)
  const [log, metrics] = await Promise.all([createLogger(options.level, pretty), createMetrics()])
  return { log, trace: createTrace(Date.now), ...metrics }
}

/** Lines that a full disk or a slow reader has not taken yet. More are dropped. */
const MAX_LOG_BACKLOG_BYTES = 4_194_304

async function createLogger(level: LogLevel, pretty: boolean): Promise<Logger> {
  const { pino, destination, stdSerializers } = await import('pino')
  const serializers = Object.fromEntries(ADDRESS_FIELDS.map((name) => [name, maskValue]))
  const options = { level, base: null, serializers, timestamp: () => `,"time":"${new Date().toISOString()}"` }
  const stderr = destination({ fd: 2, sync: true, maxLength: MAX_LOG_BACKLOG_BYTES })
  // Where the disk of the log is full, lines are lost and the daemon goes on.
  stderr.on('error', () => undefined)
  if (!pretty) return pino(options, stderr)
  const { PinoPretty } = await import('pino-pretty')
  const stream = PinoPretty({
    destination: stderr,
    messageFormat: (line, key) => toPrintable(typeof line[key] === 'string' ? line[key] : ''),
  })
  return pino(
    {
      ...options,
      serializers: { ...serializers, err: (error: Error) => toPrintableError(stdSerializers.err(error)) },
      formatters: { log: toPrintableFields },
    },
    stream,
  )
}

/** JSON escapes C0 controls only. A terminal also obeys C1 controls and the marks that reverse the direction of text. */
function toPrintableFields(line: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(line).map(([name, value]) => [name, typeof value === 'string' ? toPrintable(value) : value]))
}

const toPrintableError = <E extends { readonly message: string; readonly stack: string }>(error: E): E => ({
  ...error,
  message: toPrintable(error.message),
  stack: toPrintable(error.stack),
})

async function createMetrics(): Promise<Omit<Telemetry, 'log' | 'trace'>> {
  const { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } = await import('prom-client')
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const counters = new Map<string, InstanceType<typeof Counter>>()
  const gauges = new Map<string, InstanceType<typeof Gauge>>()
  const histograms = new Map<string, InstanceType<typeof Histogram>>()
  for (const [name, row] of Object.entries<MetricRow>(METRICS)) {
    const common = { name, help: row.help, labelNames: [...row.labels], registers: [registry] }
    if (row.kind === 'counter') counters.set(name, new Counter(common))
    else if (row.kind === 'gauge') gauges.set(name, new Gauge(common))
    else histograms.set(name, new Histogram({ ...common, buckets: [...(row.buckets ?? LATENCY_BUCKETS_SECONDS)] }))
  }
  return {
    count: (name, labels = {}, n = 1) => counters.get(name)?.inc(labels, n),
    setGauge: (name, value) => gauges.get(name)?.set(value),
    observe: (name, value, labels = {}) => histograms.get(name)?.observe(labels, value),
    metrics: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  }
}

function maskValue(value: unknown): unknown {
  if (typeof value === 'string') return maskAddress(value)
  return Array.isArray(value) ? value.map(maskValue) : value
}

/**
 * Returns an address as a log may show it: the first character and the domain. Total; text that is not an address keeps its first character.
 *
 *     maskAddress('joe.smith@example.com') → 'j***@example.com'
 */
function maskAddress(address: string): string {
  const at = address.lastIndexOf('@')
  const domain = at < 0 ? '' : address.slice(at)
  return toPrintable(`${address.slice(0, 1)}***${domain}`)
}

/** C0 and C1 controls except tab and line feed, the line and paragraph separators, and the marks that change the direction of text. */
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/**
 * Makes untrusted text safe for a terminal: replaces control characters, so that no escape sequence works and no text runs backwards. Total.
 *
 *     toPrintable('\u001b]0;owned\u0007hello') → '␛]0;owned␇hello'
 */
export function toPrintable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (character) => {
    const code = character.charCodeAt(0)
    if (code < 0x20) return String.fromCharCode(0x2400 + code)
    return code === 0x7f ? '\u2421' : '\ufffd'
  })
}

/**
 * telemetry - one logger, one table of metrics, and what of a stranger's text they may show
 *
 * Logs are JSON lines, pretty on a terminal. A line carries ids (sessionId, deliveryId, eventId), never a mail body, and no whole
 * address: the fields in ADDRESS_FIELDS are masked whoever logs them. Metrics are the rows of METRICS; a name that is not in the
 * table does not compile. pino and prom-client are loaded when telemetry is made, so that short commands do not pay for them.
 *
 * See also: http/server/health (who serves the metrics), app (who makes one).
 */
import type { Logger } from 'pino'

/** What a metric counts, and by which labels. Seconds and bytes stand in the names, as Prometheus wants. */
type MetricRow = {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
  readonly buckets?: readonly number[]
}

const LATENCY_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10] as const

/** Mail is given days. */
const QUEUE_TIME_BUCKETS_SECONDS = [0.1, 0.5, 1, 5, 30, 60, 300, 900, 3_600, 14_400, 86_400, 345_600] as const

const METRICS = {
  bounced_smtp_connections: { kind: 'gauge', help: 'SMTP connections that are open', labels: [] },
  bounced_smtp_sessions_total: { kind: 'counter', help: 'SMTP connections that were accepted', labels: [] },
  bounced_smtp_refused_total: { kind: 'counter', help: 'SMTP commands that were refused', labels: ['reason'] },
  bounced_smtp_body_bytes: { kind: 'gauge', help: 'Bytes of open mail bodies in memory', labels: [] },
  bounced_submission_connections: { kind: 'gauge', help: 'Connections of senders that are open', labels: [] },
  bounced_submission_body_bytes: { kind: 'gauge', help: 'Bytes of open submissions in memory', labels: [] },
  bounced_mails_received_total: { kind: 'counter', help: 'Mails that were committed, by kind of report', labels: ['kind'] },
  bounced_route_mails_total: { kind: 'counter', help: 'Mails for accounts at their own domains', labels: ['outcome'] },
  bounced_mails_repeated_total: { kind: 'counter', help: 'Mails that were already held and changed nothing', labels: [] },
  bounced_mails_deferred_total: { kind: 'counter', help: 'Mails answered 451 because the store did not take them', labels: [] },
  bounced_verdicts_total: { kind: 'counter', help: 'Verdicts, by reason and table', labels: ['reason', 'table'] },
  bounced_inbox_total: { kind: 'counter', help: 'Mails that landed in the inbox, by reason', labels: ['reason'] },
  bounced_alarms_total: { kind: 'counter', help: 'Alarm facts', labels: ['alarm'] },
  bounced_alerts_total: { kind: 'counter', help: 'Alerts that were raised or are over', labels: ['alert', 'state'] },
  bounced_alerts_raised: { kind: 'gauge', help: 'Alerts that stand', labels: [] },
  bounced_batch_mails: { kind: 'histogram', help: 'Mails in one commit', labels: [], buckets: [1, 2, 5, 10, 20, 50, 100, 200] },
  bounced_stage_seconds: { kind: 'histogram', help: 'Time of one stage of intake', labels: ['stage'], buckets: LATENCY_BUCKETS_SECONDS },
  bounced_attempts_total: { kind: 'counter', help: 'SMTP dialogues that senders told us of', labels: ['outcome'] },
  bounced_queue_waiting: { kind: 'gauge', help: 'Mails that wait in the delivery queue', labels: [] },
  bounced_queue_in_flight: { kind: 'gauge', help: 'Mails that are being sent', labels: [] },
  bounced_queue_keys_held: {
    kind: 'gauge',
    help: 'Keys of the delivery queue that are throttled, paused, probing or recovering',
    labels: [],
  },
  bounced_queue_delivering: { kind: 'gauge', help: '1 while this node is the one that delivers', labels: [] },
  bounced_queue_attempts_total: { kind: 'counter', help: 'Attempts of the delivery queue, by what came of them', labels: ['outcome'] },
  bounced_queue_uncertain_total: {
    kind: 'counter',
    help: 'Mails that were being sent when their node ended, and are sent again',
    labels: [],
  },
  bounced_queue_seconds: {
    kind: 'histogram',
    help: 'Time from acceptance to the end of a mail',
    labels: ['end'],
    buckets: QUEUE_TIME_BUCKETS_SECONDS,
  },
  bounced_registrations_total: { kind: 'counter', help: 'Recipients that were registered', labels: [] },
  bounced_webhooks_total: { kind: 'counter', help: 'Webhooks that were sent, by what came of it', labels: ['outcome'] },
  bounced_webhook_seconds: { kind: 'histogram', help: 'Time until an endpoint answered', labels: [], buckets: LATENCY_BUCKETS_SECONDS },
  bounced_webhook_endpoints_open: { kind: 'gauge', help: 'Endpoints that are left alone because they fail', labels: [] },
  bounced_retired_total: { kind: 'counter', help: 'What was removed because it was too old', labels: ['what'] },
  bounced_exports_total: { kind: 'counter', help: 'Exports, by what came of them', labels: ['outcome'] },
  bounced_export_rows_total: { kind: 'counter', help: 'Rows that exports have written', labels: [] },
  bounced_http_requests_total: { kind: 'counter', help: 'HTTP requests, by route and status', labels: ['route', 'status'] },
  bounced_http_body_bytes: { kind: 'gauge', help: 'Bytes of open request bodies in memory', labels: [] },
  bounced_http_bodies_refused_total: { kind: 'counter', help: 'Request bodies that were not taken or not waited for', labels: ['reason'] },
  bounced_http_seconds: { kind: 'histogram', help: 'Time of one HTTP request', labels: ['route'], buckets: LATENCY_BUCKETS_SECONDS },
} as const satisfies Record<string, MetricRow>

export type MetricName = keyof typeof METRICS
export type MetricLabels = Readonly<Record<string, string | number>>

/** `count` adds (1 unless told), `gauge` sets, `observe` puts a value into a histogram. None of them throws. */
export type Telemetry = {
  readonly log: Logger
  readonly count: (name: MetricName, labels?: MetricLabels, n?: number) => void
  readonly setGauge: (name: MetricName, value: number) => void
  readonly observe: (name: MetricName, value: number, labels?: MetricLabels) => void
  /** The Prometheus text and its content type. */
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Log fields that hold an address, however a caller spells the thought. */
const ADDRESS_FIELDS = ['recipient', 'address', 'email', 'from', 'to', 'mailFrom', 'rcptTo', 'emailId'] as const

/** Makes the process's telemetry. `format` auto: pretty when standard error is a terminal. Logs go to standard error. */
export async function createTelemetry(options: { level: LogLevel; format: 'auto' | 'json' | 'pretty' }): Promise<Telemetry> {
  const pretty = options.format === 'pretty' || (options.format === 'auto' && process.stderr.isTTY === true)
  const [log, metrics] = await Promise.all([createLogger(options.level, pretty), createMetrics()])
  return { log, ...metrics }
}

async function createLogger(level: LogLevel, pretty: boolean): Promise<Logger> {
  const { pino, destination, stdSerializers } = await import('pino')
  const serializers = Object.fromEntries(ADDRESS_FIELDS.map((name) => [name, maskValue]))
  const options = { level, base: null, serializers, timestamp: () => `,"time":"${new Date().toISOString()}"` }
  if (!pretty) return pino(options, destination({ fd: 2, sync: true }))
  const { PinoPretty } = await import('pino-pretty')
  const stream = PinoPretty({
    destination: 2,
    sync: true,
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

/** JSON escapes the controls of C0; a terminal heeds those of C1 too, and turns text around. */
function toPrintableFields(line: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(line).map(([name, value]) => [name, typeof value === 'string' ? toPrintable(value) : value]))
}

const toPrintableError = <E extends { readonly message: string; readonly stack: string }>(error: E): E => ({
  ...error,
  message: toPrintable(error.message),
  stack: toPrintable(error.stack),
})

async function createMetrics(): Promise<Omit<Telemetry, 'log'>> {
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
 * An address as a log may show it. Total; what is no address is kept to its first letters.
 *
 *     maskAddress('joe.smith@example.com') → 'j***@example.com'
 */
export function maskAddress(address: string): string {
  const at = address.lastIndexOf('@')
  const domain = at < 0 ? '' : address.slice(at)
  return toPrintable(`${address.slice(0, 1)}***${domain}`)
}

/** Every control of C0 and C1 but tab and line feed, the soft line ends, and the marks that turn the direction of text. */
// oxlint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/**
 * Text of a stranger as a terminal may show it: no escape sequence survives, nothing is written backwards. Total.
 *
 *     printable('\u001b]0;owned\u0007hello') → '␛]0;owned␇hello'
 */
export function toPrintable(text: string): string {
  return text.replaceAll(UNPRINTABLE, (mark) => {
    const code = mark.charCodeAt(0)
    if (code < 0x20) return String.fromCharCode(0x2400 + code)
    return code === 0x7f ? '\u2421' : '\ufffd'
  })
}

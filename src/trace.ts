/**
 * trace - live events of one peer, one domain or one delivery, for a person who watches
 *
 * Every part of the daemon publishes what it does; `bounced trace` listens. Publishing costs one comparison while nobody listens: the fields of
 * an event are built only for a listener whose filter matches. Each listener has a bounded buffer. An event that does not fit is dropped and counted, so that a slow reader
 * never slows the daemon. Secrets and mail bodies are never published.
 *
 * See also: telemetry (through which every part reaches the trace), commands/trace, docs/DEBUGGING.md.
 */

/**
 * `smtp.*`: a session of a listener. `client.*`: a session of the SMTP client with a remote server. `report.*`: a received mail. `delivery.*`: a message
 * of the queue. `backoff.changed`: a transition of a backoff key. `fact`: a stored decision.
 */
const TRACE_KINDS = [
  'smtp.connected',
  'smtp.command',
  'smtp.reply',
  'smtp.closed',
  'client.connected',
  'client.unreachable',
  'client.secured',
  'client.reused',
  'client.command',
  'client.message',
  'client.reply',
  'client.timeout',
  'client.closed',
  'report.received',
  'report.matched',
  'report.committed',
  'delivery.dispatched',
  'delivery.answered',
  'delivery.requeued',
  'delivery.ended',
  'backoff.changed',
  'fact',
  'webhook.queued',
  'webhook.attempted',
] as const

export type TraceKind = (typeof TRACE_KINDS)[number]

/** What an event is about. A filter compares these; an absent one matches no filter of its name. */
export type TraceSubject = {
  readonly peer?: string | null
  /** Domains of recipients, lower case. */
  readonly domains?: readonly (string | null)[]
  readonly deliveryId?: string | null
  readonly sessionId?: string | null
}

export type TraceFields = Readonly<Record<string, string | number | boolean | null>>

/** `at` is in epoch milliseconds. */
export type TraceEvent = {
  readonly at: number
  readonly kind: TraceKind
  readonly subject: TraceSubject
  readonly fields: TraceFields
}

/** Exactly one of them. */
export type TraceFilter = { readonly peer: string } | { readonly domain: string } | { readonly deliveryId: string }

type TraceListener = {
  /** Resolves when there are events, or when the signal aborts. */
  readonly wait: (signal: AbortSignal) => Promise<void>
  /** Empties the buffer. `dropped` counts the events that did not fit since the last call. */
  readonly take: () => { readonly events: readonly TraceEvent[]; readonly dropped: number }
  readonly close: () => void
}

export type Trace = {
  /** Total, synchronous. `fields` is called at most once, and only where somebody listens for this subject. */
  readonly publish: (kind: TraceKind, subject: TraceSubject, fields?: () => TraceFields) => void
  readonly listen: (filter: TraceFilter, capacity?: number) => TraceListener
}

/** A terminal reads thousands of lines a second; this holds a burst of a few seconds in about a megabyte. */
const DEFAULT_CAPACITY = 2_000

/** Longer texts are cut: a remote server may send a reply of 64 KB, and the buffer is bounded by the number of events. EHLO replies of large providers have 1 KB. */
const MAX_TEXT_LENGTH = 2_048

type Listener = { readonly filter: TraceFilter; readonly capacity: number; events: TraceEvent[]; dropped: number; wake: () => void }

/** Creates a trace without listeners. `now` gives epoch milliseconds. */
export function createTrace(now: () => number): Trace {
  const listeners = new Set<Listener>()
  return {
    publish: (kind, subject, fields = () => ({})) => {
      if (listeners.size === 0) return
      let event: TraceEvent | null = null
      for (const listener of listeners) {
        if (!matches(listener.filter, subject)) continue
        if (listener.events.length >= listener.capacity) listener.dropped++
        else listener.events.push((event ??= { at: now(), kind, subject, fields: truncateTexts(fields()) }))
        listener.wake()
      }
    },
    listen: (filter, capacity = DEFAULT_CAPACITY) => {
      const listener: Listener = { filter, capacity, events: [], dropped: 0, wake: () => undefined }
      listeners.add(listener)
      return {
        wait: (signal) => waitForEvents(listener, signal),
        take: () => takeEvents(listener),
        close: () => listeners.delete(listener),
      }
    },
  }
}

const truncateTexts = (fields: TraceFields): TraceFields =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? value.slice(0, MAX_TEXT_LENGTH) : value]),
  )

function waitForEvents(listener: Listener, signal: AbortSignal): Promise<void> {
  if (signal.aborted || listener.events.length > 0) return Promise.resolve()
  return new Promise((resolve) => {
    const wake = (): void => {
      signal.removeEventListener('abort', wake)
      listener.wake = () => undefined
      resolve()
    }
    signal.addEventListener('abort', wake)
    listener.wake = wake
  })
}

function takeEvents(listener: Listener): ReturnType<TraceListener['take']> {
  const { events, dropped } = listener
  listener.events = []
  listener.dropped = 0
  return { events, dropped }
}

function matches(filter: TraceFilter, { peer, domains = [], deliveryId }: TraceSubject): boolean {
  if ('peer' in filter) return peer === filter.peer
  if ('domain' in filter) return domains.includes(filter.domain)
  return deliveryId === filter.deliveryId
}

/** Verbs whose whole line may be shown. AUTH and everything else may carry a secret: a client sends passwords as lines of their own (RFC 4954). */
const SHOWN_VERBS = new Set([
  'EHLO',
  'HELO',
  'LHLO',
  'MAIL',
  'RCPT',
  'DATA',
  'RSET',
  'NOOP',
  'QUIT',
  'STARTTLS',
  'VRFY',
  'EXPN',
  'HELP',
  'BDAT',
  // The end of an empty message.
  '.',
])

/**
 * An SMTP command line as a trace may show it. Total.
 *
 *     maskSmtpCommand('AUTH PLAIN AGpvZQBzZWNyZXQ=') → 'AUTH PLAIN ***'
 */
export function maskSmtpCommand(line: string): string {
  const [verb = '', argument = ''] = line.trimEnd().split(' ')
  if (SHOWN_VERBS.has(verb.toUpperCase())) return line.trimEnd()
  return verb.toUpperCase() === 'AUTH' ? `AUTH ${argument} ***` : `*** (${line.trimEnd().length} characters)`
}

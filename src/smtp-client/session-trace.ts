/**
 * session-trace - publishes one SMTP client session to the trace
 *
 * Events name the remote address, and the delivery and the recipient domain of the message that the session carries. A session that is idle in the
 * pool names the domain of its last message, and no delivery. Message bodies and everything that AUTH sends are masked.
 *
 * Total, and without cost while nobody listens. See also: trace, smtp-client/smtp-wire, docs/DEBUGGING.md.
 */
import type { Trace, TraceFields, TraceKind, TraceSubject } from '../trace.ts'
import type { OutgoingMail } from './transport.ts'

type ClientTraceKind = Extract<TraceKind, `client.${string}`>

export type SessionTrace = {
  /** `fields` is called at most once, and only where somebody listens. */
  readonly publish: (kind: ClientTraceKind, fields: () => TraceFields) => void
  /** The events that follow belong to this message. */
  readonly beginMail: (mail: OutgoingMail) => void
  /** The events that follow belong to no delivery. */
  readonly endMail: () => void
}

/** `peer` is the remote IP address. */
type TracedConnection = { readonly sessionId: string; readonly peer: string; readonly mail: OutgoingMail }

/** Creates the trace of a connection that is opened for a message. */
export function createSessionTrace(trace: Trace | undefined, { sessionId, peer, mail }: TracedConnection): SessionTrace {
  const subjectOf = ({ domain, deliveryId = null }: OutgoingMail): TraceSubject => ({
    peer,
    sessionId,
    domains: [domain],
    deliveryId,
  })
  let subject = subjectOf(mail)
  return {
    publish: (kind, fields) => trace?.publish(kind, subject, fields),
    beginMail: (next) => (subject = subjectOf(next)),
    endMail: () => (subject = { ...subject, deliveryId: null }),
  }
}

/** A reply as a trace may show it: a challenge of AUTH (334) is masked. Total. */
export const maskSmtpReply = (command: string, reply: string): string =>
  command.toUpperCase() === 'AUTH' && reply.startsWith('334') ? '334 ***' : reply

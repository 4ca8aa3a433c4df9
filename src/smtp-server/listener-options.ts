/**
 * listener-options - what the parts of an SMTP listener share: its options, its counts, and who is in
 *
 * See also: smtp-server/listener (makes it), smtp-server/report-session, smtp-server/accept.
 */
import type { Socket } from 'node:net'
import type { MetricName, Telemetry } from '../telemetry.ts'
import type { IncomingMail } from '../service/receive/incoming-mail.ts'
import type { ByteBudget } from '../net/byte-budget.ts'
import type { InboundConnection, ConnectionLimits } from './connection.ts'
import type { PeerLimits, PeerCounters } from './peer-limits.ts'
import type { RefusalName } from './refusals.ts'

export type ListenerOptions = {
  readonly host: string
  readonly port: number
  readonly hostname: string
  /** Balancers that begin with a PROXY header: addresses or networks. */
  readonly proxyPeers: readonly string[]
  readonly tls: { readonly key: string; readonly cert: string } | null
  readonly limits: ListenerLimits
  readonly telemetry: Telemetry
  readonly now: () => number
  /** Whether an operator has cut this peer off; absent: nobody is. Asked at the connection, and at each mail of a long one. */
  readonly isBlocked?: (peer: string) => Promise<boolean>
  /** What a mail above SIZE hears: which setting rules it; absent: limits.advertisedSize. */
  readonly tooLarge?: 'size' | 'submissionSize'
  /** Which gauges show what is open. */
  readonly gauges: { readonly connections: MetricName; readonly bodies: MetricName }
  /** Whether AUTH is offered on a connection; absent: it is for nobody. */
  readonly offersAuth?: (session: { readonly address: string; readonly isSecure: boolean }) => boolean
}

/** The door for reports. */
export type ReportListenerOptions = Omit<ListenerOptions, 'gauges' | 'offersAuth' | 'tooLarge'> & {
  /** Lower case. Mail to any address at these is taken. */
  readonly domains: readonly string[]
  /** Whether an address beyond `domains` is taken too: an account's own. Absent: none is. Rejects when nobody can say. */
  readonly isForwarded?: (to: string) => Promise<boolean>
  /** Resolves when the mail is committed for this recipient; rejects with a Fault. */
  readonly submit: (mail: IncomingMail) => Promise<unknown>
}

/** Bytes, counts, milliseconds; the reasons stand with the settings. */
export type ListenerLimits = PeerLimits &
  ConnectionLimits & {
    readonly mailSize: number
    readonly advertisedSize: number
    readonly bodyBudget: number
    readonly connections: number
    readonly mailsPerConnection: number
    readonly recipientsPerMail: number
    readonly idleTimeoutMs: number
    readonly closeTimeoutMs: number
  }

/** Counted from its admission on; `connection` follows at once. */
export type TrackedSession = { readonly address: string; connection: InboundConnection | null }

export type ListenerState = {
  readonly options: ListenerOptions
  readonly peers: PeerCounters
  readonly budget: ByteBudget
  readonly openSessions: Map<string, TrackedSession>
  readonly pendingSockets: Set<Socket>
  readonly busySessions: Set<string>
  isClosing: boolean
}

/** `command` stands for all that were wrong in themselves. */
export function countRefusal(state: ListenerState, reason: RefusalName | 'command'): void {
  state.options.telemetry.count('bounced_smtp_refused_total', { reason })
}

/** A session is over, and its place is free. Idempotent. */
export function removeSession(state: ListenerState, id: string): void {
  const session = state.openSessions.get(id)
  if (session === undefined) return
  state.openSessions.delete(id)
  state.busySessions.delete(id)
  state.peers.releaseConnection(session.address)
  state.options.telemetry.setGauge(state.options.gauges.connections, state.openSessions.size)
}

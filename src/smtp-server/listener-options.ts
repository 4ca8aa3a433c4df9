/**
 * listener-options - the options and the state that the parts of an SMTP listener share
 *
 * See also: smtp-server/listener (creates the state), smtp-server/report-session, smtp-server/accept.
 */
import type { Socket } from 'node:net'
import type { AddressMatcher } from '../net/address-matcher.ts'
import type { ByteBudget } from '../net/byte-budget.ts'
import type { ConnectionTable, ConnectionTableLimits, OpenConnection } from '../net/connection-table.ts'
import type { KnownPeers } from '../net/known-peers.ts'
import type { FixedWindowLimit } from '../net/rate-limit.ts'
import type { ListenerAddress } from '../net/listen-backlog.ts'
import type { MetricName, Telemetry } from '../telemetry.ts'
import type { ConnectionContext, ConnectionLimits, InboundConnection } from './connection.ts'
import type { IncomingRouter } from './incoming-router.ts'
import type { RefusalName } from './refusals.ts'

export type ListenerOptions = ListenerAddress & {
  readonly hostname: string
  /** Load balancers that begin each connection with a PROXY header: addresses or networks. */
  readonly proxyPeers: readonly string[]
  readonly tls: { readonly key: string; readonly cert: string } | null
  readonly limits: ListenerLimits
  readonly telemetry: Telemetry
  readonly now: () => number
  /** Returns whether an operator has blocked this peer. Called for each connection and for each mail. Absent: no peer is blocked. */
  readonly isBlocked?: (peer: string) => Promise<boolean>
  /** Returns whether the disk has less free space than its floor. Called for each mail. Absent: there is no floor. */
  readonly isDiskLow?: () => boolean
  /** The refusal of a mail above SIZE. Absent: `size`, which names limits.advertisedSize. */
  readonly oversizeRefusal?: ConnectionContext['oversizeRefusal']
  /** The gauges of open connections and of the bytes of open bodies. */
  readonly gauges: { readonly connections: MetricName; readonly bodies: MetricName }
  /** Returns whether AUTH is offered on a connection. Absent: wherever smtp-server has it enabled. */
  readonly isAuthOffered?: ConnectionContext['isAuthOffered']
}

/** Options that a caller sets; the rest is fixed by the kind of listener. */
export type CommonListenerOptions = Omit<ListenerOptions, 'gauges' | 'isAuthOffered' | 'oversizeRefusal'>

/** The listener for reports and inbound mail. */
export type ReportListenerOptions = CommonListenerOptions & {
  readonly router: IncomingRouter
  /** Mail servers of the operator: addresses or networks. Their mail may have several token addresses. */
  readonly trustedRelays: readonly string[]
}

/** Bytes, counts and milliseconds. settings/schema gives the reason of each default. */
export type ListenerLimits = ConnectionTableLimits &
  ConnectionLimits & {
    readonly mailSize: number
    readonly advertisedSize: number
    readonly bodyBudget: number
    readonly mailsPerPeerMinute: number
    /** Peers without limits by peer and network: addresses or networks. */
    readonly exemptPeers: readonly string[]
    readonly mailsPerConnection: number
    /** How long a peer waits for its greeting, unless it is known and its connections are not under stress. */
    readonly greetingDelayMs: number
    /** How long a peer is known after its last mail; 0: every peer waits. */
    readonly knownPeerMs: number
    readonly recipientsPerMail: number
    readonly idleTimeoutMs: number
    readonly closeTimeoutMs: number
  }

/** A session counts from its admission. `connection` is set right after it. */
export type TrackedSession = OpenConnection & { connection: InboundConnection | null }

export type ListenerState = {
  readonly options: ListenerOptions
  readonly connections: ConnectionTable
  readonly mailsByPeer: FixedWindowLimit
  readonly isExemptPeer: AddressMatcher
  readonly knownPeers: KnownPeers
  readonly budget: ByteBudget
  readonly openSessions: Map<string, TrackedSession>
  /** Sockets without a session: they wait for a PROXY header, or read their refusal. */
  readonly pendingSockets: Set<Socket>
  /** Sessions between MAIL FROM and the reply to their mail. */
  readonly busySessions: Set<string>
  isClosing: boolean
}

/** Returns how long a new session of this peer waits for its greeting, in milliseconds. */
export function greetingDelayOf({ connections, knownPeers, options: { limits, now } }: ListenerState, address: string): number {
  return knownPeers.isKnown(address, now()) && !connections.isStressed(address) ? 0 : limits.greetingDelayMs
}

/** Counts a refusal. `command` stands for every reply about a single faulty command. */
export function countRefusal(state: ListenerState, reason: RefusalName | 'command'): void {
  state.options.telemetry.count('bounced_smtp_refused_total', { reason })
}

/** Removes a session that has ended and frees its place in the limits. Idempotent. */
export function removeSession(state: ListenerState, id: string): void {
  const session = state.openSessions.get(id)
  if (session === undefined) return
  state.openSessions.delete(id)
  state.busySessions.delete(id)
  state.connections.release(session)
  state.options.telemetry.setGauge(state.options.gauges.connections, state.openSessions.size)
}

/**
 * listener - accepts SMTP connections, enforces limits while they run, and closes them in order
 *
 * The listeners for reports by SMTP and LMTP and for submission are made here; they differ in the SMTP server that executes their sessions. Once a
 * second the listener looks for slow peers and for a memory budget that is short. When it closes, a session in the middle of a mail gets its
 * answer first.
 *
 * RFC 5321, 1870 (SIZE), 2033 (LMTP), 2034, 2920 (PIPELINING), 3207 (STARTTLS), 6152, 6531. See also: smtp-server/accept (before the session),
 * smtp-server/report-session (which mail is accepted), smtp-server/connection (the session), docs/SMTP.md.
 */
import { randomBytes } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import type { SMTPServer } from 'smtp-server'
import { createAddressMatcher } from '../net/address-matcher.ts'
import { createByteBudget } from '../net/byte-budget.ts'
import { createConnectionTable } from '../net/connection-table.ts'
import { listenOptionsOf } from '../net/listen-backlog.ts'
import { createKnownPeers } from '../net/known-peers.ts'
import { createFixedWindowLimit } from '../net/rate-limit.ts'
import { acceptConnection, type AdmissionControl } from './accept.ts'
import { InboundConnection, type ConnectionContext } from './connection.ts'
import {
  countRefusal,
  greetingDelayOf,
  type ListenerState,
  type TrackedSession,
  type ListenerOptions,
  type ReportListenerOptions,
} from './listener-options.ts'
import type { ProxySource } from './proxy-protocol.ts'
import type { RefusalName } from './refusals.ts'
import { createLmtpServer, createReportServer } from './report-session.ts'
import { maskSmtpCommand } from '../trace.ts'

export type SmtpListener = {
  readonly port: number
  /** Replaces the certificate of new connections. Running sessions keep theirs. */
  readonly reloadTls: (tls: { readonly key: string; readonly cert: string }) => void
  /** Refuses new connections. Resolves when the sessions in the middle of a mail have been answered. */
  readonly close: () => Promise<void>
}

/** Interval of the checks for slow peers and for the memory budget. */
const CHECK_INTERVAL_MS = 1_000

/** Refusals that a mail server never gets. Its peer waits for the greeting again. */
const RULE_BREAKS: ReadonlySet<RefusalName | 'command'> = new Set([
  'early',
  'earlyPipelining',
  'bodyBeforeData',
  'bdat',
  'bare',
  'proxy',
  'http',
  'commands',
  'errors',
  'slowCommand',
  'stress',
  'longData',
  'slowData',
  'cut',
])

const GAUGES = { connections: 'bounced_smtp_connections', bodies: 'bounced_smtp_body_bytes' } as const
const LMTP_GAUGES = { connections: 'bounced_lmtp_connections', bodies: 'bounced_lmtp_body_bytes' } as const

/** Opens the report listener. Resolves once it listens. Faults: config_invalid (proxyPeers, trustedRelays). */
export async function startReportListener(options: ReportListenerOptions): Promise<SmtpListener> {
  const isTrustedRelay = createAddressMatcher(options.trustedRelays, 'smtp.trustedRelays')
  return startListener({ ...options, gauges: GAUGES }, (state) => createReportServer(state, options.router, isTrustedRelay))
}

/** Opens the LMTP listener, which accepts the same mail. Resolves once it listens. Faults: config_invalid (trustedRelays). */
export async function startLmtpListener(options: ReportListenerOptions): Promise<SmtpListener> {
  const isTrustedRelay = createAddressMatcher(options.trustedRelays, 'smtp.trustedRelays')
  return startListener({ ...options, gauges: LMTP_GAUGES }, (state) => createLmtpServer(state, options.router, isTrustedRelay))
}

/** Opens a listener whose sessions are executed by the given server. Resolves once it listens. Faults: config_invalid (proxyPeers, exemptPeers). */
export async function startListener(
  options: ListenerOptions,
  createSmtpServer: (state: ListenerState) => SMTPServer,
): Promise<SmtpListener> {
  const { limits } = options
  const isExemptPeer = createAddressMatcher(limits.exemptPeers, 'limits.exemptPeers')
  const state: ListenerState = {
    options,
    connections: createConnectionTable(limits, isExemptPeer),
    mailsByPeer: createFixedWindowLimit(limits.mailsPerPeerMinute),
    isExemptPeer,
    knownPeers: createKnownPeers(limits.knownPeerMs),
    budget: createByteBudget(limits.bodyBudget),
    openSessions: new Map(),
    pendingSockets: new Set(),
    busySessions: new Set(),
    isClosing: false,
  }
  const smtpServer = createSmtpServer(state)
  const admission = createAdmissionControl(state, smtpServer)
  const listener = createServer((socket) => acceptConnection(admission, socket))
  await listen(listener, options)
  const checkTimer = setInterval(() => enforceLimits(state), CHECK_INTERVAL_MS)
  return {
    port: portOf(listener),
    reloadTls: (certificate) => smtpServer.updateSecureContext(certificate),
    close: async () => {
      await closeListener(listener, state)
      clearInterval(checkTimer)
    },
  }
}

function createAdmissionControl(state: ListenerState, smtpServer: SMTPServer): AdmissionControl {
  const { limits, telemetry, proxyPeers } = state.options
  return {
    isTrustedProxy: createAddressMatcher(proxyPeers, 'smtp.proxyPeers'),
    pendingSockets: state.pendingSockets,
    maxPending: limits.connections,
    // 80 bits.
    createSessionId: () => randomBytes(10).toString('hex'),
    refusalForAll: () => (state.isClosing ? 'closing' : null),
    admit: (id, address) => {
      const session = createTrackedSession(address)
      const refusal = state.connections.admit(session)
      if (refusal !== null) return refusal
      state.openSessions.set(id, session)
      telemetry.count('bounced_smtp_sessions_total')
      telemetry.setGauge(state.options.gauges.connections, state.openSessions.size)
      telemetry.log.debug({ sessionId: id, peer: address, open: state.openSessions.size }, 'smtp connection accepted')
      telemetry.trace.publish('smtp.connected', { peer: address, sessionId: id })
      return null
    },
    onRefused: (name, address) => {
      countRefusal(state, name)
      telemetry.log.warn({ peer: address, refused: name }, 'smtp connection refused')
    },
    startSession: (socket, id, source) => startSession(state, smtpServer, socket, id, source),
  }
}

function createTrackedSession(address: string): TrackedSession {
  const session: TrackedSession = {
    address,
    connection: null,
    idleSince: () => session.connection?.idleSince() ?? null,
    evict: () => session.connection?.evict(),
  }
  return session
}

function startSession(state: ListenerState, smtpServer: SMTPServer, socket: Socket, id: string, { address, port }: ProxySource): void {
  const { limits, now, isAuthOffered = () => true, oversizeRefusal = 'size', telemetry } = state.options
  const context: ConnectionContext = {
    limits,
    now,
    isAuthOffered,
    oversizeRefusal,
    greetingDelayMs: () => greetingDelayOf(state, address),
    onRefused: (name) => {
      countRefusal(state, name)
      if (RULE_BREAKS.has(name)) state.knownPeers.forget(address)
    },
    onCommand: (line) =>
      telemetry.trace.publish('smtp.command', { peer: address, sessionId: id }, () => ({ line: maskSmtpCommand(line.toString('latin1')) })),
    onReply: (code, text) => {
      telemetry.log.debug({ sessionId: id, code, text }, 'smtp reply')
      telemetry.trace.publish('smtp.reply', { peer: address, sessionId: id }, () => ({ code, text }))
    },
  }
  const connection = new InboundConnection(smtpServer, socket, { id, remoteAddress: address, remotePort: port, context })
  const session = state.openSessions.get(id)
  if (session !== undefined) session.connection = connection
  smtpServer.connections.add(connection)
  connection.on('error', (error: unknown) => smtpServer.emit('error', error instanceof Error ? error : new Error(String(error))))
  connection.init()
}

function enforceLimits(state: ListenerState): void {
  const { now, telemetry } = state.options
  for (const { connection, address } of state.openSessions.values()) connection?.closeIfSlow(state.connections.isStressed(address))
  state.budget.evictLongRunning(now())
  telemetry.setGauge(state.options.gauges.bodies, state.budget.usedBytes())
}

function listen(server: Server, options: ListenerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(listenOptionsOf(options), () => {
      server.off('error', reject)
      server.on('error', (error) => options.telemetry.log.error({ err: error }, 'smtp listener failed'))
      resolve()
    })
  })
}

function portOf(server: Server): number {
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}

/** Closes idle sessions with 421 at once, and busy ones after their answer or at the time limit. */
async function closeListener(server: Server, state: ListenerState): Promise<void> {
  state.isClosing = true
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  const deadline = state.options.now() + state.options.limits.closeTimeoutMs
  for (const socket of state.pendingSockets) socket.destroy()
  while (state.openSessions.size > 0) {
    const isPastDeadline = state.options.now() > deadline
    for (const [id, { connection }] of state.openSessions)
      if (isPastDeadline || !state.busySessions.has(id)) connection?.closeWith('closing')
    if (isPastDeadline) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, 1_000)
    void closed.then(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}

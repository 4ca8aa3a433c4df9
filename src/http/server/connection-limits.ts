/**
 * connection-limits - limits the connections of HTTP clients in total, by peer and by network, and the time that they may keep one idle
 *
 * Idle is a connection without a request (the header has not arrived, or keep-alive), and one whose body or response moves more slowly than
 * 4 KiB a second. A full server evicts idle connections, and under stress closes them after stressSeconds (net/connection-table). A client that
 * takes no byte of its response for responseIdleSeconds is disconnected. Behind a proxy, the proxy is the only client of
 * the plain listener and has no limits of its own.
 *
 * RFC 9112 §9.5 (a server may close any idle connection). See also: settings/http, http/server/body-limits, http/server/server.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { createAddressMatcher } from '../../net/address-matcher.ts'
import { createConnectionTable, type ConnectionTable, type OpenConnection } from '../../net/connection-table.ts'
import { normaliseIp } from '../../net/peer-network.ts'
import type { Telemetry } from '../../telemetry.ts'
import type { HttpLimits } from './http-limits.ts'
import type { HttpServer } from './http-server.ts'

/** What a connection waits for. `work`: our own response is being made, or an event stream has nothing to send. */
type Phase = 'header' | 'body' | 'work' | 'response'

type HttpConnection = OpenConnection & {
  readonly socket: Socket
  /** Requests without a complete response. */
  readonly requests: Set<IncomingMessage>
  phase: Phase
  /** When the phase began, and when a byte last moved in it. Epoch milliseconds. */
  since: number
  progressAt: number
  /** Bytes that had moved at these times. */
  bytesAtStart: number
  bytes: number
}

type ConnectionLimitOptions = {
  readonly telemetry: Telemetry
  readonly limits: HttpLimits
  /** Every connection comes from a proxy, which limits its clients itself. */
  readonly isBehindProxy: boolean
  readonly now: () => number
}

type LimiterState = ConnectionLimitOptions & {
  readonly tableOf: (socket: Socket) => ConnectionTable
  readonly open: Map<Socket, HttpConnection>
}

/** How often idle connections are checked. */
const ENFORCE_INTERVAL_MS = 1_000

/** A body or a response that moves more slowly counts as idle. A slow modem is about this fast. */
const IDLE_BYTES_PER_SECOND = 4_096

/** Limits the connections of the server. Faults: config_invalid (exemptPeers). */
export function addConnectionLimits(server: HttpServer, options: ConnectionLimitOptions): void {
  const direct = createConnectionTable(options.limits, createAddressMatcher(options.limits.exemptPeers, 'http.exemptPeers'))
  const proxied = options.isBehindProxy ? createConnectionTable(options.limits, () => true) : direct
  // Whoever speaks TLS with us is no proxy.
  const tableOf = (socket: Socket): ConnectionTable => (socket instanceof TLSSocket ? direct : proxied)
  const state: LimiterState = { ...options, tableOf, open: new Map() }
  server.server.on('connection', (socket: Socket) => admitSocket(state, socket))
  server.server.on('request', (request: IncomingMessage, response: ServerResponse) => trackRequest(state, request, response))
  const timer = setInterval(() => enforceLimits(state), ENFORCE_INTERVAL_MS).unref()
  server.addHook('onClose', () => Promise.resolve(clearInterval(timer)))
}

function admitSocket(state: LimiterState, socket: Socket): void {
  const connection = createConnection(state, socket)
  const refusal = state.tableOf(socket).admit(connection)
  if (refusal !== null) return endConnection(state, connection, refusal)
  state.open.set(socket, connection)
  socket.once('close', () => {
    state.open.delete(socket)
    state.tableOf(socket).release(connection)
  })
}

function createConnection(state: LimiterState, socket: Socket): HttpConnection {
  const at = state.now()
  const connection: HttpConnection = {
    socket,
    address: normaliseIp(socket.remoteAddress ?? ''),
    requests: new Set(),
    phase: 'header',
    since: at,
    progressAt: at,
    bytesAtStart: 0,
    bytes: 0,
    idleSince: () => idleSinceOf(state, connection),
    evict: () => endConnection(state, connection, 'evicted'),
  }
  return connection
}

function endConnection({ telemetry }: LimiterState, { socket, address }: HttpConnection, reason: string): void {
  telemetry.count('bounced_http_connections_closed_total', { reason })
  telemetry.log.debug({ peer: address, reason }, 'http connection closed by a limit')
  socket.destroy()
}

function trackRequest(state: LimiterState, request: IncomingMessage, response: ServerResponse): void {
  const connection = state.open.get(request.socket)
  if (connection === undefined) return
  connection.requests.add(request)
  updatePhase(state, connection)
  response.once('close', () => {
    connection.requests.delete(request)
    updatePhase(state, connection)
  })
}

function updatePhase({ now }: LimiterState, connection: HttpConnection): void {
  const phase = phaseOf(connection)
  const bytes = phase === 'body' ? connection.socket.bytesRead : connection.socket.bytesWritten - connection.socket.writableLength
  if (phase !== connection.phase) Object.assign(connection, { phase, since: now(), bytesAtStart: bytes, bytes, progressAt: now() })
  else if (bytes !== connection.bytes) Object.assign(connection, { bytes, progressAt: now() })
}

function phaseOf({ requests, socket }: HttpConnection): Phase {
  if (requests.size === 0) return 'header'
  if ([...requests].some(({ complete }) => !complete)) return 'body'
  return socket.writableLength > 0 ? 'response' : 'work'
}

function idleSinceOf(state: LimiterState, connection: HttpConnection): number | null {
  updatePhase(state, connection)
  const { phase, since, bytes, bytesAtStart } = connection
  if (phase === 'header') return since
  if (phase === 'work') return null
  const elapsedMs = state.now() - since
  const isSlow = elapsedMs > state.limits.stressSeconds * 1_000 && (bytes - bytesAtStart) * 1_000 < IDLE_BYTES_PER_SECOND * elapsedMs
  return isSlow ? since : null
}

function enforceLimits(state: LimiterState): void {
  for (const connection of state.open.values()) {
    updatePhase(state, connection)
    const reason = timeoutOf(state, connection)
    if (reason !== null) endConnection(state, connection, reason)
  }
  state.telemetry.setGauge('bounced_http_connections', state.open.size)
}

/** The time limit that a connection has broken. Without stress, Node and http/server/body-limits end requests that stall. */
function timeoutOf({ limits, now, tableOf }: LimiterState, { address, socket, phase, since, progressAt }: HttpConnection): string | null {
  if (phase === 'work') return null
  const stressMs = limits.stressSeconds * 1_000
  if (tableOf(socket).isStressed(address) && now() - (phase === 'header' ? since : progressAt) > stressMs) return 'stress'
  return phase === 'response' && now() - progressAt > limits.responseIdleSeconds * 1_000 ? 'responseIdle' : null
}

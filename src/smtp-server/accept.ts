/**
 * accept - decides whether a connection becomes an SMTP session
 *
 * Finds the address of the client and applies the connection limits. A listed load balancer must begin with a PROXY header; the limits then
 * count the client behind it. A PROXY header from any other peer closes the session (smtp-server/connection). A connection that is refused
 * here gets one line and no session.
 *
 * See also: smtp-server/proxy-protocol (the header), net/connection-table (the counts), docs/SMTP.md.
 */
import type { Socket } from 'node:net'
import { normaliseIp } from '../net/peer-network.ts'
import { readProxyHeader, type ProxySource } from './proxy-protocol.ts'
import { refusalLineOf, type RefusalName } from './refusals.ts'

export type AdmissionControl = {
  readonly isTrustedProxy: (address: string) => boolean
  /** Returns null when the client is admitted; it then counts until its session ends. Otherwise returns the refusal. */
  readonly admit: (id: string, address: string) => RefusalName | null
  /** Returns the refusal that applies to every client now, null when there is none. */
  readonly refusalForAll: () => RefusalName | null
  readonly startSession: (socket: Socket, id: string, source: ProxySource) => void
  readonly onRefused: (name: RefusalName, address: string) => void
  readonly createSessionId: () => string
  /** Sockets without a session. The listener destroys them when it closes. */
  readonly pendingSockets: Set<Socket>
  /** Above it, a refused client gets no time to read its refusal, and a load balancer is refused. */
  readonly maxPending: number
}

/** The address of a client on a Unix socket, which has none: it is on this machine. */
const UNIX_SOCKET_PEER = '127.0.0.1'

/** A load balancer sends its header at once. Five seconds allow for a lost packet and its retransmission. */
const PROXY_HEADER_TIMEOUT_MS = 5_000
/** Time that a refused client has to read the refusal before its socket is destroyed. */
const REFUSED_LINGER_MS = 1_000

/** Handles one connection: refuses it, or starts a session once the client's address is known. Never throws. */
export function acceptConnection(admission: AdmissionControl, socket: Socket): void {
  socket.on('error', () => undefined)
  const peer = normaliseIp(socket.remoteAddress ?? UNIX_SOCKET_PEER)
  const refusal = admission.refusalForAll()
  if (refusal !== null) return refuseConnection(admission, socket, refusal, peer)
  const directSource = { address: peer, port: socket.remotePort ?? 0 }
  if (!admission.isTrustedProxy(peer)) return admitClient(admission, socket, directSource)
  if (admission.pendingSockets.size >= admission.maxPending) return refuseConnection(admission, socket, 'connections', peer)
  awaitProxyHeader(admission, socket, (source) => admitClient(admission, socket, source ?? directSource))
}

function admitClient(admission: AdmissionControl, socket: Socket, source: ProxySource): void {
  if (socket.destroyed) return
  const id = admission.createSessionId()
  const address = normaliseIp(source.address)
  const refusal = admission.admit(id, address)
  if (refusal === null) admission.startSession(socket, id, { address, port: source.port })
  else refuseConnection(admission, socket, refusal, address)
}

function awaitProxyHeader(admission: AdmissionControl, socket: Socket, onHeader: (source: ProxySource | null) => void): void {
  let buffered: Buffer = Buffer.alloc(0)
  const cleanUp = (): void => {
    clearTimeout(timer)
    admission.pendingSockets.delete(socket)
    socket.off('data', onData)
    socket.off('close', cleanUp)
  }
  const rejectHeader = (): void => {
    cleanUp()
    refuseConnection(admission, socket, 'badProxy', normaliseIp(socket.remoteAddress ?? ''))
  }
  const onData = (chunk: Buffer): void => {
    buffered = Buffer.concat([buffered, chunk])
    const header = readProxyHeader(buffered)
    if (header.kind === 'incomplete') return
    if (header.kind === 'invalid') return rejectHeader()
    cleanUp()
    socket.pause()
    if (buffered.length > header.length) socket.unshift(buffered.subarray(header.length))
    onHeader(header.source)
  }
  const timer = setTimeout(rejectHeader, PROXY_HEADER_TIMEOUT_MS)
  admission.pendingSockets.add(socket)
  socket.on('data', onData)
  socket.on('close', cleanUp)
}

function refuseConnection(admission: AdmissionControl, socket: Socket, name: RefusalName, address: string): void {
  admission.onRefused(name, address)
  if (socket.destroyed) return
  socket.resume()
  socket.end(refusalLineOf(name))
  if (admission.pendingSockets.size >= admission.maxPending) return socket.destroySoon()
  admission.pendingSockets.add(socket)
  const timer = setTimeout(() => socket.destroy(), REFUSED_LINGER_MS)
  socket.on('close', () => {
    clearTimeout(timer)
    admission.pendingSockets.delete(socket)
  })
}

/**
 * accept - from a TCP connection to an SMTP session: who it really is, and whether there is room
 *
 * A listed balancer must begin with a PROXY header, and the limits then count the client behind it; from anybody else such a header is a lie
 * and ends the session (smtp-server/connection). Who is refused here costs a line and no session.
 *
 * See also: smtp-server/proxy-protocol (the header), smtp-server/peer-limits (the counts), docs/smtp.md.
 */
import type { Socket } from 'node:net'
import { normaliseAddress } from './peer-limits.ts'
import { readProxyHeader, type ProxySource } from './proxy-protocol.ts'
import { refusalLineOf, type RefusalName } from './refusals.ts'

export type AdmissionControl = {
  readonly isTrustedProxy: (address: string) => boolean
  /** Why this client may not stay, null when it may; it is then counted until its session ends. */
  readonly admit: (id: string, address: string) => RefusalName | null
  /** Why nobody may stay. */
  readonly refusalForAll: () => RefusalName | null
  readonly startSession: (socket: Socket, id: string, source: ProxySource) => void
  readonly onRefused: (name: RefusalName, address: string) => void
  readonly createSessionId: () => string
  /** Sockets that have no session yet; the door ends them when it closes. */
  readonly pendingSockets: Set<Socket>
}

/** A balancer sends its header at once; five seconds allow for a lost packet and its second copy. */
const PROXY_HEADER_TIMEOUT_MS = 5_000
/** What a refused client may take to read why. */
const REFUSED_LINGER_MS = 1_000

/** Takes one TCP connection. */
export function acceptConnection(admission: AdmissionControl, socket: Socket): void {
  socket.on('error', () => undefined)
  const peer = normaliseAddress(socket.remoteAddress ?? '')
  const refusal = admission.refusalForAll()
  if (refusal !== null) return refuseConnection(admission, socket, refusal, peer)
  const directSource = { address: peer, port: socket.remotePort ?? 0 }
  if (!admission.isTrustedProxy(peer)) return admitClient(admission, socket, directSource)
  awaitProxyHeader(admission, socket, (source) => admitClient(admission, socket, source ?? directSource))
}

function admitClient(admission: AdmissionControl, socket: Socket, source: ProxySource): void {
  if (socket.destroyed) return
  const id = admission.createSessionId()
  const address = normaliseAddress(source.address)
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
    refuseConnection(admission, socket, 'badProxy', normaliseAddress(socket.remoteAddress ?? ''))
  }
  const onData = (chunk: Buffer): void => {
    buffered = Buffer.concat([buffered, chunk])
    const header = readProxyHeader(buffered)
    if (header.kind === 'more') return
    if (header.kind === 'bad') return rejectHeader()
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
  admission.pendingSockets.add(socket)
  socket.resume()
  socket.end(refusalLineOf(name))
  const timer = setTimeout(() => socket.destroy(), REFUSED_LINGER_MS)
  socket.on('close', () => {
    clearTimeout(timer)
    admission.pendingSockets.delete(socket)
  })
}

/**
 * accept - from a TCP connection to an SMTP session: who it really is, and whether there is room
 *
 * A listed balancer must begin with a PROXY header, and the limits then count the client behind it; from anybody else such a header is a lie
 * and ends the session (smtp-server/connection). Who is refused here costs a line and no session.
 *
 * See also: smtp-server/proxy-protocol (the header), smtp-server/peer-limits (the counts), docs/smtp.md.
 */
import type { Socket } from 'node:net'
import { plainAddress } from './peer-limits.ts'
import { readProxyHeader, type ProxySource } from './proxy-protocol.ts'
import { lineOf, type RefusalName } from './refusals.ts'

export type Gate = {
  readonly isListed: (address: string) => boolean
  /** Why this client may not stay, null when it may; it is then counted until its session ends. */
  readonly admit: (id: string, address: string) => RefusalName | null
  /** Why nobody may stay. */
  readonly full: () => RefusalName | null
  readonly begin: (socket: Socket, id: string, source: ProxySource) => void
  readonly refused: (name: RefusalName, address: string) => void
  readonly newId: () => string
  /** Sockets that have no session yet; the door ends them when it closes. */
  readonly waiting: Set<Socket>
}

/** A balancer sends its header at once; five seconds allow for a lost packet and its second copy. */
const HEADER_WAIT = 5_000
/** What a refused client may take to read why. */
const REFUSED_LINGER = 1_000

/** Takes one TCP connection. */
export function accept(gate: Gate, socket: Socket): void {
  socket.on('error', () => undefined)
  const peer = plainAddress(socket.remoteAddress ?? '')
  const why = gate.full()
  if (why !== null) return turnAway(gate, socket, why, peer)
  const itself = { address: peer, port: socket.remotePort ?? 0 }
  if (!gate.isListed(peer)) return admit(gate, socket, itself)
  waitForHeader(gate, socket, (source) => admit(gate, socket, source ?? itself))
}

function admit(gate: Gate, socket: Socket, source: ProxySource): void {
  if (socket.destroyed) return
  const id = gate.newId()
  const address = plainAddress(source.address)
  const why = gate.admit(id, address)
  if (why === null) gate.begin(socket, id, { address, port: source.port })
  else turnAway(gate, socket, why, address)
}

function waitForHeader(gate: Gate, socket: Socket, found: (source: ProxySource | null) => void): void {
  let held: Buffer = Buffer.alloc(0)
  const leave = (): void => {
    clearTimeout(timer)
    gate.waiting.delete(socket)
    socket.off('data', read)
    socket.off('close', leave)
  }
  const refuse = (): void => {
    leave()
    turnAway(gate, socket, 'badProxy', plainAddress(socket.remoteAddress ?? ''))
  }
  const read = (chunk: Buffer): void => {
    held = Buffer.concat([held, chunk])
    const header = readProxyHeader(held)
    if (header.kind === 'more') return
    if (header.kind === 'bad') return refuse()
    leave()
    socket.pause()
    if (held.length > header.length) socket.unshift(held.subarray(header.length))
    found(header.source)
  }
  const timer = setTimeout(refuse, HEADER_WAIT)
  gate.waiting.add(socket)
  socket.on('data', read)
  socket.on('close', leave)
}

function turnAway(gate: Gate, socket: Socket, name: RefusalName, address: string): void {
  gate.refused(name, address)
  if (socket.destroyed) return
  gate.waiting.add(socket)
  socket.resume()
  socket.end(lineOf(name))
  const timer = setTimeout(() => socket.destroy(), REFUSED_LINGER)
  socket.on('close', () => {
    clearTimeout(timer)
    gate.waiting.delete(socket)
  })
}

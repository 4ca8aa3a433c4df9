/**
 * listener - the listener on the Return-Path and feedback domains, and what every SMTP listener of ours has in common
 *
 * Listens, lets in, looks every second at who is slow, and closes so that whoever was in the middle of a mail is answered first.
 *
 * RFC 5321, 1870 (SIZE), 2034, 2920 (PIPELINING), 3207 (STARTTLS), 6152, 6531. See also: smtp-server/accept (before the session),
 * smtp-server/report-session (what is taken), smtp-server/connection (how it is said), docs/smtp.md.
 */
import { randomBytes } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import type { SMTPServer } from 'smtp-server'
import { accept, type Gate } from './accept.ts'
import { createBudget } from '../net/byte-budget.ts'
import { Connection } from './connection.ts'
import { createDialogue } from './report-session.ts'
import { countRefusal, type Door, type DoorOptions, type SmtpOptions } from './listener-options.ts'
import { createPeers, listPeers } from './peer-limits.ts'
import type { ProxySource } from './proxy-protocol.ts'
import type { RefusalName } from './refusals.ts'

export type SmtpListener = {
  readonly port: number
  /** New connections get the new certificate; running sessions keep theirs. */
  readonly reloadTls: (tls: { readonly key: string; readonly cert: string }) => void
  /** No new connections; sessions in the middle of a mail are answered first. */
  readonly close: () => Promise<void>
}

/** How often slow peers and a short budget are looked at. */
const SWEEP_EVERY = 1_000

const GAUGES = { connections: 'bounced_smtp_connections', bodies: 'bounced_smtp_body_bytes' } as const

/** Opens the door for reports; resolves once it listens. Faults: config_invalid (proxyPeers). */
export function listenSmtp(options: SmtpOptions): Promise<SmtpListener> {
  return listenDoor({ ...options, gauges: GAUGES }, (door) => createDialogue(door, options))
}

/** Opens a door whose dialogue is `speak`'s; resolves once it listens. Faults: config_invalid (proxyPeers). */
export async function listenDoor(options: DoorOptions, speak: (door: Door) => SMTPServer): Promise<SmtpListener> {
  const { limits } = options
  const door: Door = {
    options,
    peers: createPeers(limits),
    budget: createBudget(limits.bodyBudget),
    open: new Map(),
    waiting: new Set(),
    busy: new Set(),
    closing: false,
  }
  const dialogue = speak(door)
  const gate = createGate(door, dialogue)
  const listener = createServer((socket) => accept(gate, socket))
  await listen(listener, options)
  const sweeping = setInterval(() => sweep(door), SWEEP_EVERY)
  return {
    port: portOf(listener),
    reloadTls: (fresh) => dialogue.updateSecureContext(fresh),
    close: async () => {
      await closeListener(listener, door)
      clearInterval(sweeping)
    },
  }
}

function createGate(door: Door, dialogue: SMTPServer): Gate {
  const { limits, telemetry, proxyPeers } = door.options
  return {
    isListed: listPeers(proxyPeers),
    waiting: door.waiting,
    // 80 bits.
    newId: () => randomBytes(10).toString('hex'),
    full: () => {
      if (door.closing) return 'closing'
      return door.open.size + door.waiting.size >= limits.connections ? 'connections' : null
    },
    admit: (id, address) => {
      const why = door.peers.connect(address)
      if (why !== null) return why
      door.open.set(id, { address, connection: null })
      telemetry.count('bounced_smtp_sessions_total')
      telemetry.gauge(door.options.gauges.connections, door.open.size)
      return null
    },
    refused: (name, address) => {
      countRefusal(door, name)
      telemetry.log.warn({ peer: address, refused: name }, 'smtp connection refused')
    },
    begin: (socket, id, source) => begin(door, dialogue, socket, id, source),
  }
}

function begin(door: Door, dialogue: SMTPServer, socket: Socket, id: string, { address, port }: ProxySource): void {
  const { limits, now, offersAuth = () => true, tooLarge = 'size' } = door.options
  const connectionDoor = { limits, now, offersAuth, tooLarge, refused: (name: RefusalName | 'command') => countRefusal(door, name) }
  const connection = new Connection(dialogue, socket, { id, remoteAddress: address, remotePort: port, door: connectionDoor })
  const session = door.open.get(id)
  if (session !== undefined) session.connection = connection
  dialogue.connections.add(connection)
  connection.on('error', (error: unknown) => dialogue.emit('error', error instanceof Error ? error : new Error(String(error))))
  connection.init()
}

function sweep(door: Door): void {
  const { now, telemetry } = door.options
  for (const { connection } of door.open.values()) connection?.checkPace()
  door.budget.relieve(now())
  telemetry.gauge(door.options.gauges.bodies, door.budget.used())
}

function listen(server: Server, options: DoorOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => {
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

/** Idle sessions hear 421 at once, busy ones after their answer or after the time limit. */
async function closeListener(server: Server, door: Door): Promise<void> {
  door.closing = true
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  const deadline = door.options.now() + door.options.limits.closeTimeout
  for (const socket of door.waiting) socket.destroy()
  while (door.open.size > 0) {
    const over = door.options.now() > deadline
    for (const [id, { connection }] of door.open) if (over || !door.busy.has(id)) connection?.end('closing')
    if (over) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 1_000))])
}

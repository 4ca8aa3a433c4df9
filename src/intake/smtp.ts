/**
 * smtp - the listener on the Return-Path and feedback domains
 *
 * Takes reports, never relays: RCPT only at our own domains, and at `postmaster`. 250 is said only after the receiver
 * has committed; a store that fails is 451. Bodies share a budget, peers have limits, and closing answers whom it began with.
 *
 * RFC 5321, 1870 (SIZE), 2034, 2920 (PIPELINING), 3207 (STARTTLS), 6152, 6531. See also: intake/accept (before the session),
 * intake/connection (the dialogue), intake/body, work/receive, docs/smtp.md.
 */
import { randomBytes } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { SMTPServer, type SMTPServerAddress, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'
import { isRetryable } from '../error.ts'
import type { Telemetry } from '../telemetry.ts'
import type { IncomingMail } from '../work/mail.ts'
import { accept, type Gate } from './accept.ts'
import { readBody } from './body.ts'
import { createBudget, type Budget } from './budget.ts'
import { Connection, type ConnectionLimits } from './connection.ts'
import { createPeers, listPeers, type PeerLimits, type Peers } from './peers.ts'
import type { ProxySource } from './proxy.ts'
import { refuse, type RefusalName } from './smtpreply.ts'

export type SmtpOptions = {
  readonly host: string
  readonly port: number
  readonly hostname: string
  /** Lower case. Mail to any address at these is taken. */
  readonly domains: readonly string[]
  /** Balancers that begin with a PROXY header: addresses or networks. */
  readonly proxyPeers: readonly string[]
  readonly tls: { readonly key: string; readonly cert: string } | null
  readonly limits: SmtpLimits
  readonly telemetry: Telemetry
  readonly now: () => number
  /** Whether an operator has cut this peer off; absent: nobody is. Asked at the connection, and at each mail of a long one. */
  readonly isCut?: (peer: string) => Promise<boolean>
  /** Resolves when the mail is committed for this recipient; rejects with a Fault. */
  readonly submit: (mail: IncomingMail) => Promise<unknown>
}

/** Bytes, counts, milliseconds; the reasons stand with the settings. */
export type SmtpLimits = PeerLimits &
  ConnectionLimits & {
    readonly mailSize: number
    readonly advertisedSize: number
    readonly bodyBudget: number
    readonly connections: number
    readonly mailsPerConnection: number
    readonly recipientsPerMail: number
    readonly idleTimeout: number
    readonly closeTimeout: number
  }

export type SmtpListener = {
  readonly port: number
  /** New connections get the new certificate; running sessions keep theirs. */
  readonly reloadTls: (tls: { readonly key: string; readonly cert: string }) => void
  /** No new connections; sessions in the middle of a mail are answered first. */
  readonly close: () => Promise<void>
}

type OpenSession = { readonly address: string; connection: Connection | null }

type Door = {
  readonly options: SmtpOptions
  readonly peers: Peers
  readonly budget: Budget
  readonly open: Map<string, OpenSession>
  readonly waiting: Set<Socket>
  readonly busy: Set<string>
  closing: boolean
}

/** How often slow peers and a short budget are looked at. */
const SWEEP_EVERY = 1_000

/** Opens the listener; resolves once it listens. Faults: config_invalid (proxyPeers). */
export async function listenSmtp(options: SmtpOptions): Promise<SmtpListener> {
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
  const dialogue = createDialogue(door)
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

/** smtp-server as the speaker of the dialogue; the listening is ours, so that its own listener is never opened. */
function createDialogue(door: Door): SMTPServer {
  const { limits, tls, hostname, telemetry } = door.options
  const server = new SMTPServer({
    name: hostname,
    banner: 'bounced',
    size: limits.advertisedSize,
    rejectOversized: true,
    hideENHANCEDSTATUSCODES: false,
    authOptional: true,
    disabledCommands: ['AUTH', 'XCLIENT', 'XFORWARD', 'WIZ', 'SHELL', 'KILL', ...(tls === null ? ['STARTTLS'] : [])],
    disableReverseLookup: true,
    lenientAddressParsing: true,
    maxRecipients: limits.recipientsPerMail,
    maxCommandLength: limits.commandLength,
    maxAllowedUnauthenticatedCommands: false,
    socketTimeout: limits.idleTimeout,
    logger: false,
    ...tls,
    onConnect: (session, done) => {
      void answerPeer(door, session, { done, otherwise: () => (door.closing ? refuse('closing') : null) })
    },
    onClose: (session) => forget(door, session.id),
    onMailFrom: (_address, session, done) => {
      void answerPeer(door, session, { done, otherwise: () => mailFrom(door, session) })
    },
    onRcptTo: (address, _session, done) => done(rcptTo(door, address)),
    onData: (stream, session, done) => {
      void answerMail(door, { stream, session, done })
    },
  })
  server.on('error', (error) => telemetry.log.debug({ err: error }, 'smtp connection failed'))
  return server
}

type Answering = { readonly done: (error?: Error | null) => void; readonly otherwise: () => Error | null }

/** A peer that is cut off hears so. Where nobody can say, it is not: the store's own trouble is told at its mail. */
async function answerPeer({ options }: Door, { remoteAddress }: SMTPServerSession, { done, otherwise }: Answering): Promise<void> {
  const isCut = await options.isCut?.(remoteAddress).catch(() => false)
  done(isCut === true ? refuse('cut') : otherwise())
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
      telemetry.gauge('bounced_smtp_connections', door.open.size)
      return null
    },
    refused: (name, address) => {
      count(door, name)
      telemetry.log.warn({ peer: address, refused: name }, 'smtp connection refused')
    },
    begin: (socket, id, source) => begin(door, dialogue, socket, id, source),
  }
}

function begin(door: Door, dialogue: SMTPServer, socket: Socket, id: string, { address, port }: ProxySource): void {
  const { limits, now } = door.options
  const connectionDoor = { limits, now, refused: (name: RefusalName | 'command') => count(door, name) }
  const connection = new Connection(dialogue, socket, { id, remoteAddress: address, remotePort: port, door: connectionDoor })
  const session = door.open.get(id)
  if (session !== undefined) session.connection = connection
  dialogue.connections.add(connection)
  connection.on('error', (error: unknown) => dialogue.emit('error', error instanceof Error ? error : new Error(String(error))))
  connection.init()
}

function count(door: Door, reason: RefusalName | 'command'): void {
  door.options.telemetry.count('bounced_smtp_refused_total', { reason })
}

function forget(door: Door, id: string): void {
  const session = door.open.get(id)
  if (session === undefined) return
  door.open.delete(id)
  door.busy.delete(id)
  door.peers.disconnect(session.address)
  door.options.telemetry.gauge('bounced_smtp_connections', door.open.size)
}

function sweep(door: Door): void {
  const { now, telemetry } = door.options
  for (const { connection } of door.open.values()) connection?.checkPace()
  door.budget.relieve(now())
  telemetry.gauge('bounced_smtp_body_bytes', door.budget.used())
}

function mailFrom(door: Door, session: SMTPServerSession): Error | null {
  const { limits, now } = door.options
  if (door.closing) return refuse('closing')
  if (session.transaction > limits.mailsPerConnection) return refuse('mails')
  if (!door.budget.hasRoom()) return refuse('budget')
  const why = door.peers.mail(session.remoteAddress, now())
  if (why !== null) return refuse(why)
  door.busy.add(session.id)
  return null
}

/** `postmaster` without a domain is ours too (RFC 5321 §4.5.1). */
function rcptTo(door: Door, address: SMTPServerAddress): Error | null {
  const to = address.address.toLowerCase()
  const at = to.lastIndexOf('@')
  if (at < 0) return to === 'postmaster' ? null : refuse('relay')
  return door.options.domains.includes(to.slice(at + 1)) ? null : refuse('relay')
}

type Data = {
  readonly stream: SMTPServerDataStream
  readonly session: SMTPServerSession
  readonly done: (error: Error | null, words?: string) => void
}

async function answerMail(door: Door, { stream, session, done }: Data): Promise<void> {
  try {
    done(null, await takeMail(door, stream, session))
  } catch (error) {
    done(answerFor(door, session, error))
  }
}

/** Reads the body and hands it over once a recipient; resolves to the words of our 250. */
async function takeMail(door: Door, stream: SMTPServerDataStream, session: SMTPServerSession): Promise<string> {
  const { options, budget } = door
  const { mailFrom: from, rcptTo: recipients } = session.envelope
  const sender = from === false ? '' : from.address
  const to = recipients.map((each) => each.address)
  const end = (): void => door.open.get(session.id)?.connection?.end('stalled')
  const taken = await readBody(stream, { limit: options.limits.mailSize, budget, now: options.now, end })
  try {
    if (taken === null) throw refuse('stalled')
    if (stream.sizeExceeded) return ''
    const receivedAt = options.now()
    const common = {
      ...taken.body,
      peer: session.remoteAddress,
      helo: session.hostNameAppearsAs || null,
      at: receivedAt,
      receivedAt,
      source: 'smtp',
      trustAs: null,
    } as const
    await Promise.all(
      to.map((recipient) => options.submit({ ...common, envelope: { from: sender, to: recipient }, sessionId: session.id })),
    )
    return `2.6.0 taken, ${session.id}`
  } finally {
    taken?.release()
    door.busy.delete(session.id)
  }
}

function answerFor(door: Door, session: SMTPServerSession, error: unknown): Error {
  if (error instanceof Error && 'responseCode' in error) return error
  const { telemetry } = door.options
  telemetry.count('bounced_mails_deferred_total')
  telemetry.log.error({ sessionId: session.id, err: error, retry: isRetryable(error) }, 'smtp mail not taken')
  return refuse('storeBusy')
}

function listen(server: Server, options: SmtpOptions): Promise<void> {
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

/**
 * smtp - the listener on the Return-Path and feedback domains
 *
 * Takes reports, never relays: RCPT only at our own domains, and at `postmaster`. 250 is said only after the receiver
 * has committed; a store that fails is 451. Bodies share a budget, peers have limits, and closing answers whom it began with.
 *
 * RFC 5321, 1870 (SIZE), 2034, 2920 (PIPELINING), 3207 (STARTTLS), 6152, 6531. See also: intake/body, work/receive.
 */
import type { AddressInfo, Socket } from 'node:net'
import { SMTPServer, type SMTPServerAddress, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'
import { isRetryable } from '../error.ts'
import type { Telemetry } from '../telemetry.ts'
import type { IncomingMail } from '../work/mail.ts'
import { readBody } from './body.ts'
import { createBudget, type Budget } from './budget.ts'
import { createPeers, type Peers } from './peers.ts'
import { keepOwnStatus, REFUSALS, refuse } from './smtpreply.ts'

export type SmtpOptions = {
  readonly host: string
  readonly port: number
  readonly hostname: string
  /** Lower case. Mail to any address at these is taken. */
  readonly domains: readonly string[]
  readonly tls: { readonly key: string; readonly cert: string } | null
  readonly limits: SmtpLimits
  readonly telemetry: Telemetry
  readonly now: () => number
  /** Resolves when the mail is committed for this recipient; rejects with a Fault. */
  readonly submit: (mail: IncomingMail) => Promise<unknown>
}

/** Bytes, counts, milliseconds; the reasons stand with the settings. */
export type SmtpLimits = {
  readonly mailSize: number
  readonly advertisedSize: number
  readonly bodyBudget: number
  readonly connections: number
  readonly connectionsPerPeer: number
  readonly connectionsPerNetwork: number
  readonly mailsPerPeerMinute: number
  readonly mailsPerConnection: number
  readonly recipientsPerMail: number
  readonly commandLength: number
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

type Door = {
  readonly options: SmtpOptions
  readonly peers: Peers
  readonly budget: Budget
  readonly open: Set<string>
  readonly busy: Set<string>
  closing: boolean
}

/** Opens the listener; resolves once it listens. */
export async function listenSmtp(options: SmtpOptions): Promise<SmtpListener> {
  keepOwnStatus()
  const { limits, tls } = options
  const door: Door = {
    options,
    peers: createPeers(limits),
    budget: createBudget(limits.bodyBudget),
    open: new Set(),
    busy: new Set(),
    closing: false,
  }
  const server = new SMTPServer({
    name: options.hostname,
    banner: 'bounced',
    size: limits.advertisedSize,
    rejectOversized: true,
    hideENHANCEDSTATUSCODES: false,
    authOptional: true,
    disabledCommands: tls === null ? ['AUTH', 'STARTTLS'] : ['AUTH'],
    disableReverseLookup: true,
    lenientAddressParsing: true,
    maxClients: limits.connections,
    maxRecipients: limits.recipientsPerMail,
    maxCommandLength: limits.commandLength,
    maxAllowedUnauthenticatedCommands: false,
    socketTimeout: limits.idleTimeout,
    closeTimeout: limits.closeTimeout,
    logger: false,
    ...(tls ?? {}),
    onConnect: (session, done) => done(connect(door, session)),
    onClose: (session) => disconnect(door, session),
    onMailFrom: (_address, session, done) => done(mailFrom(door, session)),
    onRcptTo: (address, _session, done) => done(rcptTo(door, address)),
    onData: (stream, session, done) => {
      const end = (): void => endConnection(server, session)
      takeMail(door, stream, session, end).then(
        (words) => done(null, words),
        (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
      )
    },
  })
  server.on('error', (error) => options.telemetry.log.debug({ err: error }, 'smtp connection failed'))
  await listen(server, options)
  return {
    port: portOf(server.server.address()),
    reloadTls: (fresh) => server.updateSecureContext(fresh),
    close: () => closeListener(server, door),
  }
}

function connect(door: Door, session: SMTPServerSession): Error | null {
  const { telemetry } = door.options
  if (door.closing) return refuse(REFUSALS.closing)
  const why = door.peers.connect(session.remoteAddress)
  if (why === null) {
    door.open.add(session.id)
    telemetry.count('bounced_smtp_sessions_total')
    telemetry.gauge('bounced_smtp_connections', door.open.size)
    return null
  }
  telemetry.count('bounced_smtp_refused_total', { reason: 'peer' })
  telemetry.log.warn({ sessionId: session.id, peer: session.remoteAddress, why }, 'smtp connection refused')
  return refuse(REFUSALS.peer, why)
}

function disconnect(door: Door, session: SMTPServerSession): void {
  if (!door.open.delete(session.id)) return
  door.peers.disconnect(session.remoteAddress)
  door.busy.delete(session.id)
  door.options.telemetry.gauge('bounced_smtp_connections', door.open.size)
}

function mailFrom(door: Door, session: SMTPServerSession): Error | null {
  const { limits, now } = door.options
  if (door.closing) return refuse(REFUSALS.closing)
  if (session.transaction > limits.mailsPerConnection) return refuse(REFUSALS.mails)
  if (!door.budget.hasRoom()) return refuse(REFUSALS.budget)
  const why = door.peers.mail(session.remoteAddress, now())
  if (why !== null) return refuse(REFUSALS.peer, why)
  door.busy.add(session.id)
  return null
}

/** `postmaster` without a domain is ours too (RFC 5321 §4.5.1). */
function rcptTo(door: Door, address: SMTPServerAddress): Error | null {
  const to = address.address.toLowerCase()
  const at = to.lastIndexOf('@')
  if (at < 0) return to === 'postmaster' ? null : refuse(REFUSALS.relay)
  return door.options.domains.includes(to.slice(at + 1)) ? null : refuse(REFUSALS.relay)
}

/** Reads the body and hands it over once a recipient; resolves to the words of our 250. */
async function takeMail(door: Door, stream: SMTPServerDataStream, session: SMTPServerSession, end: () => void): Promise<string> {
  const { options, budget } = door
  const { mailFrom: from, rcptTo: recipients } = session.envelope
  const sender = from === false ? '' : from.address
  const to = recipients.map((each) => each.address)
  try {
    const body = await readBody(stream, { limit: options.limits.mailSize, budget, now: options.now, end })
    if (body === null) throw refuse(REFUSALS.stalled)
    if (stream.sizeExceeded) return ''
    const receivedAt = options.now()
    const common = {
      ...body,
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
  } catch (error) {
    throw answerFor(door, session, error)
  } finally {
    door.busy.delete(session.id)
  }
}

function answerFor(door: Door, session: SMTPServerSession, error: unknown): Error {
  if (error instanceof Error && 'responseCode' in error) return error
  const { telemetry } = door.options
  telemetry.count('bounced_mails_deferred_total')
  telemetry.log.error({ sessionId: session.id, err: error, retry: isRetryable(error) }, 'smtp mail not taken')
  return refuse(REFUSALS.storeBusy)
}

/** Says 421 and closes one connection (smtp-server closes after it says 421). */
function endConnection(server: SMTPServer, session: SMTPServerSession): void {
  for (const connection of server.connections) {
    if (connection.id === session.id) connection.send(REFUSALS.stalled.code, `${REFUSALS.stalled.status} ${REFUSALS.stalled.text}`)
  }
}

function listen(server: SMTPServer, options: SmtpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.server.once('error', reject)
    server.listen(options.port, options.host, () => {
      server.server.off('error', reject)
      server.server.on('connection', (socket: Socket) => socket.on('error', () => undefined))
      resolve()
    })
  })
}

function portOf(address: AddressInfo | string | null): number {
  return address !== null && typeof address === 'object' ? address.port : 0
}

/** Idle sessions hear 421 at once, busy ones after their answer or after the time limit. */
async function closeListener(server: SMTPServer, door: Door): Promise<void> {
  door.closing = true
  const closed = new Promise<void>((resolve) => {
    server.server.close(() => resolve())
  })
  const deadline = door.options.now() + door.options.limits.closeTimeout
  while (server.connections.size > 0) {
    const over = door.options.now() > deadline
    for (const connection of server.connections) {
      if (over || !door.busy.has(connection.id))
        connection.send(REFUSALS.closing.code, `${REFUSALS.closing.status} ${REFUSALS.closing.text}`)
    }
    if (over) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 1_000))])
}

/**
 * smtp-listener - starts the report listener in this process, by SMTP or LMTP, and a client that sends given lines and reads whole replies
 */
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import type { ListenerLimits } from '../../src/smtp-server/listener-options.ts'
import { createIncomingRouter, type IncomingRouter } from '../../src/smtp-server/incoming-router.ts'
import { startLmtpListener, startReportListener, type SmtpListener } from '../../src/smtp-server/listener.ts'
import { createTelemetry, type Telemetry } from '../../src/telemetry.ts'
import { TRUNCATED_MAIL_BYTES, type IncomingMail } from '../../src/service/receive/incoming-mail.ts'

export const LIMITS: ListenerLimits = {
  mailSize: 2 * TRUNCATED_MAIL_BYTES,
  advertisedSize: 8 * TRUNCATED_MAIL_BYTES,
  bodyBudget: 64 * TRUNCATED_MAIL_BYTES,
  connections: 100,
  connectionsPerPeer: 50,
  connectionsPerNetwork: 50,
  connectionsPerAllocation: 50,
  // Tests attack from loopback.
  exemptPeers: [],
  stressPercent: 100,
  mailsPerPeerMinute: 1_000,
  mailsPerConnection: 100,
  greetingDelayMs: 100,
  knownPeerMs: 3_600_000,
  recipientsPerMail: 3,
  commandLength: 4_096,
  idleTimeoutMs: 10_000,
  commandTimeoutMs: 10_000,
  dataTimeoutMs: 10_000,
  dataGraceMs: 10_000,
  dataBytesPerSecond: 1,
  stressTimeoutMs: 10_000,
  commandsBetweenMails: 1_000,
  errorsPerConnection: 100,
  closeTimeoutMs: 2_000,
}

export const tlsFile = (name: string): string => readFileSync(join(import.meta.dirname, 'tls', name), 'utf8')

export type ListenerOverrides = {
  readonly limits?: Partial<ListenerLimits>
  /** The limits themselves, so that a test can change them while the listener runs. */
  readonly wholeLimits?: ListenerLimits
  /** Called before a mail counts as received. Rejects to make the commit fail. */
  readonly submit?: (mail: IncomingMail) => Promise<unknown>
  /** Replaces the router, and with it `submit` and `received`. */
  readonly router?: IncomingRouter
  readonly now?: () => number
  readonly log?: Telemetry['log']
  readonly tls?: boolean
  readonly proxyPeers?: readonly string[]
  readonly trustedRelays?: readonly string[]
  /** The protocol; a path: LMTP on a Unix socket. */
  readonly lmtp?: true | string
}

export type StartedListener = {
  readonly listener: SmtpListener
  readonly received: IncomingMail[]
  readonly telemetry: Telemetry
  /** Returns how often a refusal was counted. */
  readonly refusedCount: (reason: string) => Promise<number>
}

const openListeners: { readonly close: () => Promise<void> }[] = []
const sockets: Socket[] = []

/** Closes every connection and listener that a test has opened. */
export async function closeAll(): Promise<void> {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const each of openListeners.splice(0)) await each.close()
}

export async function startListener(options: ListenerOverrides = {}): Promise<StartedListener> {
  const received: IncomingMail[] = []
  const silent = await createTelemetry({ level: 'silent', format: 'json' })
  const telemetry = { ...silent, log: options.log ?? silent.log }
  const submit = async (mail: IncomingMail): Promise<void> => {
    await options.submit?.(mail)
    received.push(mail)
  }
  const reportRouter = createIncomingRouter({
    domains: { returnPath: ['bounce.example.com'], feedback: ['fbl.example.com'] },
    reports: { submit },
    inbound: null,
  })
  const start = options.lmtp === undefined ? startReportListener : startLmtpListener
  const listener = await start({
    ...(typeof options.lmtp === 'string' ? { socketPath: options.lmtp } : {}),
    host: '127.0.0.1',
    port: 0,
    hostname: 'bounce.example.com',
    proxyPeers: options.proxyPeers ?? [],
    trustedRelays: options.trustedRelays ?? [],
    tls: options.tls === true ? { key: tlsFile('key.pem'), cert: tlsFile('cert.pem') } : null,
    limits: options.wholeLimits ?? { ...LIMITS, ...options.limits },
    telemetry,
    now: options.now ?? Date.now,
    router: options.router ?? reportRouter,
  })
  openListeners.push(listener)
  const refusedCount = async (reason: string): Promise<number> => {
    const { text } = await telemetry.metrics()
    const line = text.split('\n').find((each) => each.startsWith(`bounced_smtp_refused_total{reason="${reason}"}`))
    return Number(line?.split(' ')[1] ?? 0)
  }
  return { listener, received, telemetry, refusedCount }
}

export type SmtpConversation = {
  readonly send: (line: string) => Promise<string>
  /** Resolves to the next whole reply, or to `gone` when the connection has ended. */
  readonly receive: () => Promise<string>
  /** Resolves to all replies until the connection ends. */
  readonly receiveAll: () => Promise<readonly string[]>
  readonly socket: Socket
}

/** Opens a connection and reads nothing. */
export function openConnection(port: number, from = '127.0.0.1'): SmtpConversation {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, noDelay: true })
  sockets.push(socket)
  return createConversation(socket)
}

/** Opens a connection to a Unix socket and reads the greeting. */
export async function openUnixConversation(path: string): Promise<SmtpConversation> {
  const socket = connect(path)
  sockets.push(socket)
  const opened = createConversation(socket)
  await opened.receive()
  return opened
}

/** Opens a connection and reads the greeting. */
export async function openConversation(port: number, from?: string): Promise<SmtpConversation> {
  const opened = openConnection(port, from)
  await opened.receive()
  return opened
}

/** Starts TLS after the 220 to STARTTLS. `fingerprint` is that of the server's certificate. */
export async function upgradeToTls(plain: SmtpConversation): Promise<SmtpConversation & { readonly fingerprint: string }> {
  const socket = connectTls({ socket: plain.socket, rejectUnauthorized: false })
  sockets.push(socket)
  await new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed in the handshake')))
  })
  return { ...createConversation(socket), fingerprint: socket.getPeerCertificate().fingerprint256 }
}

function createConversation(socket: Socket): SmtpConversation {
  const receive = replyReader(socket)
  return {
    socket,
    receive,
    send: (line) => (socket.write(`${line}\r\n`), receive()),
    receiveAll: async () => {
      const replies: string[] = []
      for (let reply = await receive(); reply !== 'gone'; reply = await receive()) replies.push(reply)
      return replies
    },
  }
}

function replyReader(socket: Socket): () => Promise<string> {
  let buffer = ''
  let gone = false
  let wake: (() => void) | null = null
  socket.on('data', (chunk) => {
    buffer += chunk.toString('latin1')
    wake?.()
  })
  socket.on('error', () => undefined)
  socket.on('close', () => {
    gone = true
    wake?.()
  })
  return async () => {
    for (;;) {
      const found = /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/.exec(buffer)
      if (found) {
        buffer = buffer.slice(found[0].length)
        return found[0].trimEnd()
      }
      if (gone) return 'gone'
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
}

export const MAIL = 'From: MAILER-DAEMON@mx.example.net\r\nSubject: failure\r\n\r\nNo such user\r\n'

/** Sends EHLO, MAIL, RCPT and DATA. Resolves to the reply to DATA. */
export async function sendUpToData({ send }: SmtpConversation, to = 'token@bounce.example.com'): Promise<string> {
  await send('EHLO mx.example.net')
  await send('MAIL FROM:<>')
  await send(`RCPT TO:<${to}>`)
  return send('DATA')
}

/** Sends one mail without EHLO. Resolves to the reply to its data. */
export async function sendRaw(send: SmtpConversation['send'], body: string, to = 'token@bounce.example.com'): Promise<string> {
  await send('MAIL FROM:<>')
  await send(`RCPT TO:<${to}>`)
  await send('DATA')
  return send(`${body}\r\n.`)
}

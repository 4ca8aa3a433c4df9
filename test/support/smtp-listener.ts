/**
 * smtp-listener - the SMTP listener in this process, and a client that says what it is told and hears whole replies
 */
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import type { SmtpLimits } from '../../src/smtp-server/listener-options.ts'
import { listenSmtp, type SmtpListener } from '../../src/smtp-server/listener.ts'
import { createTelemetry, type Telemetry } from '../../src/telemetry.ts'
import { KEPT_OF_LARGE, type IncomingMail } from '../../src/service/receive/incoming-mail.ts'

export const LIMITS: SmtpLimits = {
  mailSize: 2 * KEPT_OF_LARGE,
  advertisedSize: 8 * KEPT_OF_LARGE,
  bodyBudget: 64 * KEPT_OF_LARGE,
  connections: 100,
  connectionsPerPeer: 50,
  connectionsPerNetwork: 50,
  mailsPerPeerMinute: 1_000,
  mailsPerConnection: 100,
  recipientsPerMail: 3,
  commandLength: 4_096,
  idleTimeout: 10_000,
  commandTimeout: 10_000,
  dataTimeout: 10_000,
  dataGrace: 10_000,
  dataBytesPerSecond: 1,
  commandsBetweenMails: 1_000,
  errorsPerConnection: 100,
  closeTimeout: 2_000,
}

export const tlsFile = (name: string): string => readFileSync(join(import.meta.dirname, 'tls', name), 'utf8')

export type Start = {
  readonly limits?: Partial<SmtpLimits>
  readonly submit?: (mail: IncomingMail) => Promise<unknown>
  readonly tls?: boolean
  readonly proxyPeers?: readonly string[]
}

export type Started = {
  readonly listener: SmtpListener
  readonly taken: IncomingMail[]
  readonly telemetry: Telemetry
  /** How often a refusal was counted. */
  readonly refused: (reason: string) => Promise<number>
}

const open: { readonly close: () => Promise<void> }[] = []
const sockets: Socket[] = []

/** Ends what a test has opened. */
export async function closeAll(): Promise<void> {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const each of open.splice(0)) await each.close()
}

export async function start(options: Start = {}): Promise<Started> {
  const taken: IncomingMail[] = []
  const telemetry = await createTelemetry({ level: 'silent', format: 'json' })
  const listener = await listenSmtp({
    host: '127.0.0.1',
    port: 0,
    hostname: 'bounce.example.com',
    domains: ['bounce.example.com', 'fbl.example.com'],
    proxyPeers: options.proxyPeers ?? [],
    tls: options.tls === true ? { key: tlsFile('key.pem'), cert: tlsFile('cert.pem') } : null,
    limits: { ...LIMITS, ...options.limits },
    telemetry,
    now: Date.now,
    submit: async (mail) => {
      await options.submit?.(mail)
      taken.push(mail)
    },
  })
  open.push(listener)
  const refused = async (reason: string): Promise<number> => {
    const { text } = await telemetry.metrics()
    const line = text.split('\n').find((each) => each.startsWith(`bounced_smtp_refused_total{reason="${reason}"}`))
    return Number(line?.split(' ')[1] ?? 0)
  }
  return { listener, taken, telemetry, refused }
}

export type Talk = {
  readonly say: (line: string) => Promise<string>
  /** The next whole reply, `gone` once there are no more. */
  readonly hear: () => Promise<string>
  /** All replies up to the end of the connection. */
  readonly rest: () => Promise<readonly string[]>
  readonly socket: Socket
}

/** A connection that has said and heard nothing yet. */
export function dial(port: number, from = '127.0.0.1'): Talk {
  const socket = connect({ port, host: '127.0.0.1', localAddress: from, noDelay: true })
  sockets.push(socket)
  return conversation(socket)
}

/** A conversation behind its greeting. */
export async function talk(port: number, from?: string): Promise<Talk> {
  const talking = dial(port, from)
  await talking.hear()
  return talking
}

/** The same session under TLS, once the server has said 220 to STARTTLS; `fingerprint` is that of the certificate shown. */
export async function secure(plain: Talk): Promise<Talk & { readonly fingerprint: string }> {
  const socket = connectTls({ socket: plain.socket, rejectUnauthorized: false })
  sockets.push(socket)
  await new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed in the handshake')))
  })
  return { ...conversation(socket), fingerprint: socket.getPeerCertificate().fingerprint256 }
}

function conversation(socket: Socket): Talk {
  const hear = replyReader(socket)
  return {
    socket,
    hear,
    say: (line) => (socket.write(`${line}\r\n`), hear()),
    rest: async () => {
      const heard: string[] = []
      for (let reply = await hear(); reply !== 'gone'; reply = await hear()) heard.push(reply)
      return heard
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

/** EHLO, MAIL, RCPT and DATA up to the 354. */
export async function upToData({ say }: Talk, to = 'token@bounce.example.com'): Promise<string> {
  await say('EHLO mx.example.net')
  await say('MAIL FROM:<>')
  await say(`RCPT TO:<${to}>`)
  return say('DATA')
}

export async function sendRaw(say: Talk['say'], body: string, to = 'token@bounce.example.com'): Promise<string> {
  await say('MAIL FROM:<>')
  await say(`RCPT TO:<${to}>`)
  await say('DATA')
  return say(`${body}\r\n.`)
}

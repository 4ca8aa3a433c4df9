/**
 * peer - an SMTP server whose replies are scripted, for tests of the SMTP client
 *
 * A script gives the reply to each command. A command without a script gets the reply of a well-behaved server. A text is sent with CR LF
 * added, null sends nothing, CLOSE ends the connection, and a function receives the socket.
 */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import { createSelfSignedCertificate } from '../../src/net/certificate.ts'

export const CLOSE = Symbol('close')
type ScriptedReply = string | null | typeof CLOSE | readonly (string | typeof CLOSE)[] | ((socket: Socket) => void)
export type ScriptedCommand = 'greeting' | 'EHLO' | 'HELO' | 'STARTTLS' | 'AUTH' | 'MAIL' | 'RCPT' | 'DATA' | 'end' | 'RSET' | 'QUIT'
export type PeerScript = Readonly<Partial<Record<ScriptedCommand, ScriptedReply>>>

export type ScriptedPeer = {
  readonly port: number
  /** Every line received, by connection. */
  readonly receivedLines: readonly string[][]
  readonly mails: readonly string[]
  readonly remoteAddresses: readonly string[]
  readonly close: () => Promise<void>
}

const DEFAULT_REPLIES: Readonly<Record<ScriptedCommand, string>> = {
  greeting: '220 mx.example ESMTP',
  EHLO: '250-mx.example\r\n250 8BITMIME',
  HELO: '250 mx.example',
  STARTTLS: '502 5.5.1 no',
  AUTH: '235 2.7.0 ok',
  MAIL: '250 2.1.0 ok',
  RCPT: '250 2.1.5 ok',
  DATA: '354 go ahead',
  end: '250 2.0.0 queued',
  RSET: '250 2.0.0 ok',
  QUIT: '221 2.0.0 bye',
}

/** Listens on loopback. A function as the script returns the script for the connection of that number, from 1. */
export async function startScriptedPeer(script: PeerScript | ((connection: number) => PeerScript)): Promise<ScriptedPeer> {
  const receivedLines: string[][] = []
  const mails: string[] = []
  const remoteAddresses: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    const lines: string[] = []
    const number = receivedLines.push(lines)
    remoteAddresses.push(socket.remoteAddress ?? '')
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    runSession(socket, { script: typeof script === 'function' ? script(number) : script, received: lines, mails }, true)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // Checked cast: the server listens on TCP.
  const close = (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(() => resolve()))
  }
  return { port, receivedLines, mails, remoteAddresses, close }
}

type PeerSession = { readonly script: PeerScript; readonly received: string[]; readonly mails: string[] }

function runSession(socket: Socket, session: PeerSession, sendsGreeting: boolean): void {
  let buffer = ''
  let mail: string[] | null = null
  const reply = (command: ScriptedCommand): void =>
    sendReply(socket, session.script[command] === undefined ? DEFAULT_REPLIES[command] : session.script[command])
  const receive = (line: string): void => {
    if (mail !== null && line !== '.') return void mail.push(line)
    if (mail !== null) {
      session.mails.push(mail.join('\r\n'))
      mail = null
      return reply('end')
    }
    session.received.push(line)
    const verb = line.split(/[ :]/, 1)[0]?.toUpperCase() ?? ''
    if (!isCommand(verb)) return sendReply(socket, '500 5.5.2 what')
    const script = session.script[verb]
    if (verb === 'DATA' && (script === undefined || (typeof script === 'string' && script.startsWith('354')))) mail = []
    reply(verb)
    if (verb === 'QUIT') socket.end()
    if (verb === 'STARTTLS' && script === '220 go') startTls(socket, session)
  }
  socket.on('error', () => {})
  const onData = (chunk: string | Buffer): void => {
    buffer += typeof chunk === 'string' ? chunk : chunk.toString('latin1')
    for (let at = buffer.indexOf('\r\n'); at >= 0 && socket.listeners('data').includes(onData); at = buffer.indexOf('\r\n')) {
      const line = buffer.slice(0, at)
      buffer = buffer.slice(at + 2)
      receive(line)
    }
  }
  socket.on('data', onData)
  if (sendsGreeting) reply('greeting')
}

const isCommand = (verb: string): verb is ScriptedCommand => Object.hasOwn(DEFAULT_REPLIES, verb) && verb === verb.toUpperCase()

function sendReply(socket: Socket, scriptedReply: ScriptedReply): void {
  if (typeof scriptedReply === 'function') return scriptedReply(socket)
  for (const each of typeof scriptedReply === 'string' || scriptedReply === CLOSE ? [scriptedReply] : (scriptedReply ?? [])) {
    if (each === CLOSE) socket.end()
    else if (!socket.destroyed) socket.write(`${String(each)}\r\n`)
  }
}

const { cert, key } = createSelfSignedCertificate('mx.example', Date.now())

function startTls(socket: Socket, session: PeerSession): void {
  socket.removeAllListeners('data')
  const secure = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext({ cert, key }) })
  const script = { ...session.script, EHLO: '250-mx.example\r\n250 8BITMIME' }
  runSession(secure, { ...session, script }, false)
}

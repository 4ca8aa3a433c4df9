/**
 * peer - a mail server that does as it is told, however bad that is
 *
 * A script says what each command is answered with; a name that it lacks is answered as a good server does. `null` says nothing, CLOSE ends the
 * connection, a text is written as it stands (CRLF is added), a function may do what it likes.
 */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import { makeCertificate } from '../../src/net/certificate.ts'

export const CLOSE = Symbol('close')
type Does = string | null | typeof CLOSE | readonly (string | typeof CLOSE)[] | ((socket: Socket) => void)
export type Command = 'greeting' | 'EHLO' | 'HELO' | 'STARTTLS' | 'AUTH' | 'MAIL' | 'RCPT' | 'DATA' | 'end' | 'RSET' | 'QUIT'
export type Script = Readonly<Partial<Record<Command, Does>>>

export type Peer = {
  readonly port: number
  /** Every line that came, by connection. */
  readonly heard: readonly string[][]
  readonly mails: readonly string[]
  readonly remotes: readonly string[]
  readonly close: () => Promise<void>
}

const GOOD: Readonly<Record<Command, string>> = {
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

/** Listens on loopback. The script may be changed by connection: it is asked for with the connection's number. */
export async function startPeer(script: Script | ((connection: number) => Script)): Promise<Peer> {
  const heard: string[][] = []
  const mails: string[] = []
  const remotes: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    const lines: string[] = []
    const number = heard.push(lines)
    remotes.push(socket.remoteAddress ?? '')
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    converse(socket, { script: typeof script === 'function' ? script(number) : script, lines, mails }, true)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // an address of TCP
  const close = (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(() => resolve()))
  }
  return { port, heard, mails, remotes, close }
}

type Talk = { readonly script: Script; readonly lines: string[]; readonly mails: string[] }

function converse(socket: Socket, talk: Talk, greets: boolean): void {
  let rest = ''
  let mail: string[] | null = null
  const say = (command: Command): void => perform(socket, talk.script[command] === undefined ? GOOD[command] : talk.script[command])
  const hear = (line: string): void => {
    if (mail !== null && line !== '.') return void mail.push(line)
    if (mail !== null) {
      talk.mails.push(mail.join('\r\n'))
      mail = null
      return say('end')
    }
    talk.lines.push(line)
    const verb = line.split(/[ :]/, 1)[0]?.toUpperCase() ?? ''
    if (!isCommand(verb)) return perform(socket, '500 5.5.2 what')
    const script = talk.script[verb]
    if (verb === 'DATA' && (script === undefined || (typeof script === 'string' && script.startsWith('354')))) mail = []
    say(verb)
    if (verb === 'QUIT') socket.end()
    if (verb === 'STARTTLS' && script === '220 go') startTls(socket, talk)
  }
  socket.on('error', () => {})
  const onData = (chunk: string | Buffer): void => {
    rest += typeof chunk === 'string' ? chunk : chunk.toString('latin1')
    for (let at = rest.indexOf('\r\n'); at >= 0 && socket.listeners('data').includes(onData); at = rest.indexOf('\r\n')) {
      const line = rest.slice(0, at)
      rest = rest.slice(at + 2)
      hear(line)
    }
  }
  socket.on('data', onData)
  if (greets) say('greeting')
}

const isCommand = (verb: string): verb is Command => Object.hasOwn(GOOD, verb) && verb === verb.toUpperCase()

function perform(socket: Socket, does: Does): void {
  if (typeof does === 'function') return does(socket)
  for (const each of typeof does === 'string' || does === CLOSE ? [does] : (does ?? [])) {
    if (each === CLOSE) socket.end()
    else if (!socket.destroyed) socket.write(`${String(each)}\r\n`)
  }
}

const { cert, key } = makeCertificate('mx.example', Date.now())

function startTls(socket: Socket, talk: Talk): void {
  socket.removeAllListeners('data')
  const secure = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext({ cert, key }) })
  const script = { ...talk.script, EHLO: '250-mx.example\r\n250 8BITMIME' }
  converse(secure, { ...talk, script }, false)
}

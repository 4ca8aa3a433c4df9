/**
 * smtp-wire - commands and replies over one socket, with or without TLS, each step within its time limit
 *
 * Counts the replies that are due. An unsolicited reply ends the connection, because later replies could no longer be assigned to their commands. So does a
 * reply that is too long, a 421, and a step that takes too long. Nothing here rejects: after the end of a connection every reply is null, with the cause.
 *
 * RFC 5321 §4.2.1, §4.5.3.2 (time limits), RFC 2920 (PIPELINING), RFC 3207 (STARTTLS). See also: smtp-client/reply-reader, smtp-client/step-timeouts,
 * smtp-client/handshake, smtp-client/mail-transaction.
 */
import type { Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import type { Telemetry } from '../telemetry.ts'
import { maskSmtpCommand } from '../trace.ts'
import { redactLocalParts } from '../mail/redact-local-parts.ts'
import { dataBlocks } from './data-blocks.ts'
import { REPLY_CODE } from './reply-outcome.ts'
import { createReplyReader, type ReplyReader } from './reply-reader.ts'
import { maskSmtpReply, type SessionTrace } from './session-trace.ts'
import { createStepTimer, type SmtpStep, type StepTimeouts, type StepTimer } from './step-timeouts.ts'
import type { TlsInUse } from './transport.ts'

type CloseReason = { readonly isTimeout: boolean; readonly text: string }

export type SmtpWire = {
  /** Null: it is open. */
  readonly closeReason: () => CloseReason | null
  readonly isSecure: () => boolean
  /** Null: not encrypted. */
  readonly tls: () => TlsInUse | null
  /** Writes commands at once. Each is a line without its line end and has one reply due. */
  readonly send: (...commands: readonly string[]) => void
  /** Answers a challenge of AUTH: the same, but no part of the line is a verb that may be logged. */
  readonly sendResponse: (response: string) => void
  /** The next reply that is due, or null when the connection has ended before it. One caller at a time. */
  readonly readReply: (step: SmtpStep) => Promise<string | null>
  /** The verb of the reply that is due next; null: none is due. */
  readonly nextDue: () => string | null
  /** Writes a message after DATA; its reply is then due. False: the server replied, or the connection ended, before all of it was written. */
  readonly sendMessage: (message: Buffer) => Promise<boolean>
  /** Encrypts the connection. False: it has ended instead. */
  readonly startTls: (options: ConnectionOptions, step: SmtpStep) => Promise<boolean>
  /** Called once, when the connection ends. */
  readonly onClose: (listener: () => void) => void
  readonly close: (text: string) => void
}

type WireOptions = {
  readonly socket: Socket
  readonly timeouts: StepTimeouts
  /** Host name for the log. */
  readonly mx: string
  readonly trace: SessionTrace
  readonly log?: Telemetry['log'] | undefined
}

/** Keeps NAT mappings of idle connections alive. */
const KEEPALIVE_MS = 30_000

const END_OF_DATA = 'the message'

type WireState = {
  readonly options: WireOptions
  readonly timer: StepTimer
  socket: Socket
  reader: ReplyReader
  tls: TlsInUse | null
  closeReason: CloseReason | null
  /** Verbs whose replies have not been read yet, in order. `unread` holds those that have arrived. */
  due: string[]
  unread: string[]
  /** Continues what waits: a reader of a reply, a writer of a message, a TLS handshake. */
  resume: () => void
  onClose: () => void
}

/** Takes over a connected socket. The greeting is the first reply that is due. */
export function createSmtpWire(options: WireOptions): SmtpWire {
  const { socket, timeouts, trace } = options
  const timer = createStepTimer(
    timeouts,
    () => state.socket.bytesWritten - state.socket.writableLength,
    (step, timeoutMs) => {
      const text = timeoutText(state, step, timeoutMs)
      trace.publish('client.timeout', () => ({ step, milliseconds: timeoutMs, text }))
      endWire(state, { isTimeout: true, text })
    },
  )
  const state: WireState = {
    options,
    timer,
    socket,
    reader: createReplyReader(),
    tls: null,
    closeReason: null,
    due: ['greeting'],
    unread: [],
    resume: () => {},
    onClose: () => {},
  }
  socket.setKeepAlive(true, KEEPALIVE_MS)
  socket.setNoDelay(true)
  attach(state)
  return {
    closeReason: () => state.closeReason,
    isSecure: () => state.tls !== null,
    tls: () => state.tls,
    send: (...commands) => sendLines(state, commands, COMMAND_LINES),
    sendResponse: (response) => sendLines(state, [response], AUTH_RESPONSES),
    readReply: (step) => readReply(state, step),
    nextDue: () => state.due[0] ?? null,
    sendMessage: (message) => sendMessage(state, message),
    startTls: (tlsOptions, step) => startTls(state, tlsOptions, step),
    onClose: (listener) => (state.onClose = listener),
    close: (text) => endWire(state, { isTimeout: false, text }),
  }
}

const CONNECTION_CLOSED = 'the connection was closed'

function timeoutText({ due }: WireState, step: SmtpStep, timeoutMs: number): string {
  const seconds = Math.round(timeoutMs / 1_000)
  return step === 'greeting' ? `no greeting within ${seconds} s` : `no reply to ${due[0] ?? 'TLS'} within ${seconds} s`
}

/** Listens to the current socket. The handlers of a socket that TLS has taken over do nothing. */
function attach(state: WireState): void {
  const { socket } = state
  const end = (text: string): void => {
    if (socket === state.socket) endOfInput(state, text)
  }
  socket.on('data', (bytes: Buffer) => receive(state, bytes))
  socket.on('drain', () => state.resume())
  socket.on('error', (error) => end(error.message))
  socket.on('end', () => end(CONNECTION_CLOSED))
  socket.on('close', () => end(CONNECTION_CLOSED))
}

/** The last line counts even if the server closes without ending it. */
function endOfInput(state: WireState, text: string): void {
  if (state.closeReason !== null) return
  const unfinished = state.reader.unfinished()
  const verb = state.due[state.unread.length]
  if (verb !== undefined && REPLY_CODE.test(unfinished)) takeReply(state, verb, unfinished)
  endWire(state, { isTimeout: false, text })
}

/** Every end comes here; the first one gives the reason. */
function endWire(state: WireState, reason: CloseReason): void {
  if (state.closeReason !== null) return
  state.closeReason = reason
  state.timer.stop()
  state.socket.destroy()
  state.options.socket.destroy()
  state.options.log?.debug({ mx: state.options.mx, reason: reason.text }, 'SMTP connection ended')
  state.options.trace.publish('client.closed', () => ({ mx: state.options.mx, text: reason.text }))
  state.resume()
  state.onClose()
}

function receive(state: WireState, bytes: Buffer): void {
  if (state.closeReason !== null) return
  const replies = state.reader.push(bytes)
  if (replies === null) return endWire(state, { isTimeout: false, text: 'a reply was too long' })
  for (const reply of replies) {
    const verb = state.due[state.unread.length]
    if (verb === undefined)
      return endWire(state, { isTimeout: false, text: `the server sent a reply without a command: ${reply.slice(0, 200)}` })
    takeReply(state, verb, reply)
    // RFC 5321 §3.8: the server closes after a 421, whatever it replies to.
    if (reply.startsWith('421')) return endWire(state, { isTimeout: false, text: 'the server ended the session with 421' })
  }
  if (replies.length > 0) state.resume()
}

function takeReply({ options, unread }: WireState, verb: string, reply: string): void {
  const { log, mx, trace } = options
  // To redact each reply costs more than to read it.
  if (log?.isLevelEnabled('debug') === true) log.debug({ mx, command: verb, reply: redactLocalParts(reply.slice(0, 200)) }, 'SMTP reply')
  trace.publish('client.reply', () => ({ command: verb, text: maskSmtpReply(verb, reply) }))
  unread.push(reply)
}

/** Waits for a reply, space in the socket's buffer, TLS, or the end, whichever comes first. */
const untilResumed = (state: WireState): Promise<void> =>
  new Promise((resolve) => {
    state.resume = () => {
      state.resume = () => {}
      resolve()
    }
  })

const verbOf = (command: string): string => command.split(/[ :]/, 1)[0] ?? ''

/** `mask` gives a line as a trace may show it. */
type LineFormat = { readonly verbOf: (line: string) => string; readonly mask: (line: string) => string }

const COMMAND_LINES: LineFormat = { verbOf, mask: maskSmtpCommand }
const AUTH_RESPONSES: LineFormat = { verbOf: () => 'AUTH', mask: () => '***' }

function sendLines(state: WireState, lines: readonly string[], format: LineFormat): void {
  if (state.closeReason !== null) return
  state.due.push(...lines.map(format.verbOf))
  for (const line of lines) state.options.trace.publish('client.command', () => ({ line: format.mask(line) }))
  state.socket.write(lines.map((line) => `${line}\r\n`).join(''))
}

async function readReply(state: WireState, step: SmtpStep): Promise<string | null> {
  if (state.unread.length === 0) {
    if (state.closeReason !== null) return null
    state.timer.start(step)
    while (state.unread.length === 0 && state.closeReason === null) await untilResumed(state)
    state.timer.stop()
  }
  const reply = state.unread.shift()
  if (reply === undefined) return null
  state.due.shift()
  return reply
}

async function sendMessage(state: WireState, message: Buffer): Promise<boolean> {
  state.due.push(END_OF_DATA)
  state.options.trace.publish('client.message', () => ({ bytes: message.length }))
  state.timer.start('block')
  const isInterrupted = (): boolean => state.closeReason !== null || state.unread.length > 0
  for (const block of dataBlocks(message)) {
    while (state.socket.writableNeedDrain && !isInterrupted()) await untilResumed(state)
    if (isInterrupted()) {
      state.timer.stop()
      return false
    }
    state.socket.write(block)
  }
  state.timer.stop()
  return true
}

/**
 * RFC 3207 §6: nothing that came before TLS counts after it. Bytes behind the reply to STARTTLS are somebody's injection or nonsense: the connection
 * ends.
 */
async function startTls(state: WireState, options: ConnectionOptions, step: SmtpStep): Promise<boolean> {
  if (state.closeReason !== null) return false
  if (state.unread.length > 0 || state.reader.unfinished() !== '') {
    endWire(state, { isTimeout: false, text: 'the server sent unencrypted data after its reply to STARTTLS' })
    return false
  }
  const plainSocket = state.socket
  plainSocket.removeAllListeners('data')
  state.timer.start(step)
  try {
    const secureSocket = connectTls({ ...options, socket: plainSocket })
    state.socket = secureSocket
    state.reader = createReplyReader()
    attach(state)
    secureSocket.once('secureConnect', () => {
      const tls = { version: secureSocket.getProtocol(), cipher: secureSocket.getCipher().name, verified: secureSocket.authorized }
      state.tls = tls
      state.options.trace.publish('client.secured', () => ({ protocol: tls.version, cipher: tls.cipher, isVerified: tls.verified }))
      state.resume()
    })
    while (state.tls === null && state.closeReason === null) await untilResumed(state)
  } catch (error) {
    endWire(state, { isTimeout: false, text: error instanceof Error ? error.message : 'TLS could not begin' })
  }
  state.timer.stop()
  return state.closeReason === null
}

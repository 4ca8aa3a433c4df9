/**
 * client-session - one SMTP connection to one host, kept for several mails, by nodemailer's SMTPConnection
 *
 * Opening and sending resolve once each, whatever the peer does: answers garbage, nothing, endless lines, closes, drips. Replies are followed by
 * the library's own transaction log, because a pipelined dialogue that breaks leaves more behind than its error says (smtp-client/reply-outcome).
 *
 * A peer's first refusal to encrypt is no refusal of the mail: with `opportunistic` whoever opens tries again in the clear. A password never
 * goes in the clear unless TLS is `off`. RFC 5321, RFC 3207, RFC 3461, RFC 6152, RFC 6531. See also: smtp-client/step-timeouts, smtp-client/connection-pool.
 */
import { isAscii } from 'node:buffer'
import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import { toALabels } from '../mail/mime/idna.ts'
import { errorOutcome, outcomeOfReplies, replyOutcome } from './reply-outcome.ts'
import type { SmtpOutcome, OutgoingMail, SmtpPhase, NextHop } from './transport.ts'
import { createStepTimer, type StepTimeouts, type SmtpStep } from './step-timeouts.ts'

export type SmtpSession = {
  readonly mx: string
  /** Mails that it has carried. */
  readonly mailCount: () => number
  readonly isOpen: () => boolean
  /** One mail; never two at once. */
  readonly send: (mail: OutgoingMail) => Promise<SmtpOutcome>
  /** What a mail left behind is cleared away; false: the connection is not to be used again. */
  readonly reset: () => Promise<boolean>
  /** Whether the last mail had any answer. */
  readonly hasReplies: () => boolean
  readonly onClose: (onClose: () => void) => void
  /** QUIT, and the end soon after, answered or not. */
  readonly quit: () => void
  readonly close: () => void
}

/** `plain`: encryption failed where it need not stand, so the same host may be asked in the clear. */
export type SessionResult =
  | { readonly kind: 'open'; readonly session: SmtpSession }
  | { readonly kind: 'failed'; readonly outcome: SmtpOutcome; readonly canRetryWithoutTls: boolean }

export type SessionOptions = {
  readonly nextHop: NextHop
  readonly socket: Socket
  readonly ehlo: string
  readonly timeouts: StepTimeouts
  /** Without TLS, though the stop's policy would have it. */
  readonly isWithoutTls: boolean
}

/** A reply is a few lines. Who writes more means harm. */
const MAX_RESPONSE_BYTES = 65_536

/** A peer that has heard QUIT has nothing to say that we wait for. Milliseconds. */
const QUIT_TIMEOUT_MS = 5_000

type ConnectionState = {
  readonly connection: SMTPConnection
  /** Replies since the last mail began, or since the opening. */
  replies: string[]
  lastCommand: string
  supportsSmtpUtf8: boolean
  mailCount: number
  /** All of the last mail has gone out. */
  isDataSent: boolean
  /** The login is under way, or cannot be. */
  isAuthenticating: boolean
  /** Why it ended; null: it is open. */
  closeReason: string | null
  /** Called once with why the line ended, or '' where the library is done. */
  settle: (reason: string) => void
  startStep: (step: SmtpStep) => void
  onClose: () => void
}

/** Greeting, EHLO, TLS and login over a socket that stands. */
export function openSmtpSession(options: SessionOptions): Promise<SessionResult> {
  const { nextHop, socket, timeouts } = options
  const state = createConnectionState(options)
  const { connection } = state
  return new Promise((resolve) => {
    const stepTimer = createStepTimer(timeouts, () => socket.bytesWritten, closeOnTimeout(state))
    state.startStep = stepTimer.start
    state.settle = (reason) => {
      stepTimer.stop()
      state.settle = () => {}
      if (reason === '') return resolve({ kind: 'open', session: createSession(state, options) })
      closeConnection(state, reason)
      resolve(sessionFailure(state, options, reason))
    }
    stepTimer.start('greeting')
    connection.connect((error) => {
      if (error !== undefined && error !== null) return state.settle(error.message)
      if (nextHop.login === null) return state.settle('')
      state.isAuthenticating = true
      if (!connection.secure && nextHop.tls !== 'off')
        return state.settle('it offers no encryption, and a password does not go in the clear')
      return connection.login(nextHop.login, (loginError) => state.settle(loginError === null ? '' : loginError.message))
    })
  })
}

function createConnectionState({ nextHop, socket, ehlo, timeouts, isWithoutTls }: SessionOptions): ConnectionState {
  const tls = isWithoutTls ? 'off' : nextHop.tls
  const mustEncrypt = tls === 'required' || tls === 'verified'
  const longestTimeoutMs = Math.max(...Object.values(timeouts))
  const state: Omit<ConnectionState, 'connection'> = {
    replies: [],
    lastCommand: '',
    supportsSmtpUtf8: false,
    mailCount: 0,
    isDataSent: false,
    isAuthenticating: false,
    closeReason: null,
    settle: () => {},
    startStep: () => {},
    onClose: () => {},
  }
  const connection = new SMTPConnection({
    connection: socket,
    host: nextHop.name,
    port: nextHop.port,
    name: ehlo,
    secure: nextHop.implicitTls,
    ignoreTLS: tls === 'off',
    requireTLS: mustEncrypt && !nextHop.implicitTls,
    opportunisticTLS: tls === 'opportunistic',
    tls: { rejectUnauthorized: tls === 'verified' },
    connectionTimeout: longestTimeoutMs * 2,
    greetingTimeout: longestTimeoutMs * 2,
    socketTimeout: longestTimeoutMs * 2,
    socketCloseTimeout: QUIT_TIMEOUT_MS,
    maxResponseSize: MAX_RESPONSE_BYTES,
    transactionLog: true,
    logger: createTransactionLogger((what, text) => handleLogEntry(fullState, what, text)),
  })
  const fullState: ConnectionState = Object.assign(state, { connection })
  connection.on('error', (error: Error) => closeConnection(fullState, error.message))
  connection.on('end', () => closeConnection(fullState, 'the connection was closed'))
  return fullState
}

/** Every way in which a line ends comes here; the first one tells why. */
function closeConnection(state: ConnectionState, reason: string): void {
  if (state.closeReason !== null) return
  state.closeReason = reason === '' ? 'the connection was closed' : reason
  state.settle(state.closeReason)
  state.connection.close()
  state.onClose()
}

const TIMEOUT_PREFIX = 'no answer in'
const isTimeout = (reason: string): boolean => reason.startsWith(TIMEOUT_PREFIX)

const closeOnTimeout =
  (state: ConnectionState) =>
  (step: SmtpStep, limitMs: number): void =>
    closeConnection(state, `${TIMEOUT_PREFIX} ${Math.round(limitMs / 1_000)} s${step === 'greeting' ? '' : ` to ${state.lastCommand}`}`)

type LogListener = (what: 'client' | 'server' | 'message', text: string) => void

/** What the library tells of the dialogue: commands, whole replies, and that all of the mail is written. */
function createTransactionLogger(
  listener: LogListener,
): Record<'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal', (entry: object, text?: unknown) => void> {
  const onEntry = (entry: object, text?: unknown): void => {
    const tnx: unknown = Reflect.get(entry, 'tnx')
    if (tnx === 'client' || tnx === 'server' || tnx === 'message') listener(tnx, typeof text === 'string' ? text : '')
  }
  return { trace: onEntry, debug: onEntry, info: onEntry, warn: onEntry, error: onEntry, fatal: onEntry }
}

function handleLogEntry(state: ConnectionState, what: 'client' | 'server' | 'message', text: string): void {
  if (what === 'message') {
    state.isDataSent = true
    return state.startStep('end')
  }
  if (what === 'client') {
    state.lastCommand = (text.split(' ', 1)[0] ?? '').toUpperCase()
    return state.startStep('command')
  }
  if (/^(?:EHLO|HELO)$/.test(state.lastCommand)) state.supportsSmtpUtf8 = /^2[\s\S]*[ -]SMTPUTF8\b/im.test(text)
  state.replies.push(text)
  state.startStep(state.lastCommand === 'DATA' && text.startsWith('354') ? 'block' : 'command')
}

const PHASES: Readonly<Record<string, SmtpPhase>> = { '': 'greeting', EHLO: 'ehlo', HELO: 'ehlo', STARTTLS: 'starttls' }

/** Why a session did not come about. A login that is refused is our own mistake, and no word about a mail. */
function sessionFailure(
  { connection, replies, lastCommand, isAuthenticating }: ConnectionState,
  { nextHop, isWithoutTls }: SessionOptions,
  reason: string,
): SessionResult {
  const mx = nextHop.name
  const phase = PHASES[lastCommand]
  const isTls = nextHop.implicitTls || lastCommand === 'STARTTLS' || connection.upgrading === true
  const lastReply = replies.at(-1) ?? ''
  const canRetryWithoutTls = isTls && nextHop.tls === 'opportunistic' && !isWithoutTls && !nextHop.implicitTls
  if (isAuthenticating || phase === undefined)
    return { kind: 'failed', canRetryWithoutTls: false, outcome: errorOutcome('connect', `the login failed: ${reason}`, mx) }
  const outcome = connection.upgrading === true || !/^[45]\d\d/.test(lastReply) ? null : replyOutcome(lastReply, phase, mx)
  if (outcome !== null && !(phase === 'starttls' && lastReply.startsWith('5'))) return { kind: 'failed', canRetryWithoutTls, outcome }
  if (isTls) return { kind: 'failed', canRetryWithoutTls, outcome: errorOutcome('tls', reason, mx) }
  return { kind: 'failed', canRetryWithoutTls: false, outcome: errorOutcome(isTimeout(reason) ? 'timeout' : 'connect', reason, mx) }
}

function createSession(state: ConnectionState, { nextHop, socket, timeouts }: SessionOptions): SmtpSession {
  const { connection } = state
  const mx = nextHop.name
  const isOpen = (): boolean => state.closeReason === null && !connection.destroyed
  return {
    mx,
    isOpen,
    mailCount: () => state.mailCount,
    hasReplies: () => state.replies.length > 0,
    onClose: (onClose) => (state.onClose = onClose),
    close: () => closeConnection(state, 'the connection was closed by us'),
    quit: () => {
      if (!isOpen()) return
      connection.quit()
      setTimeout(() => closeConnection(state, 'QUIT'), QUIT_TIMEOUT_MS).unref()
    },
    send: (mail) => {
      state.replies = []
      state.mailCount += 1
      state.isDataSent = false
      if (!state.supportsSmtpUtf8 && !isAscii(Buffer.from(localPart(mail.to))))
        return Promise.resolve({ kind: 'reply', code: 550, text: SMTPUTF8_REQUIRED, mx, phase: 'rcpt' })
      return runWithTimeouts(state, { timeouts, socket }, (done) => {
        connection.send(envelopeOf(mail), mail.raw, (error) => done(error === null || error === undefined ? '' : error.message))
      }).then((reason) => outcomeOf(state, reason === '' ? 'the connection was closed' : reason, mx))
    },
    reset: async () => {
      // What came with the last reply is looked at first: a peer that answers twice is not to be used again.
      await setImmediate()
      if (!isOpen()) return false
      const replyCount = state.replies.length
      if (replyCount === 0 || (replyCount === 4 && state.isDataSent)) return true
      if (replyCount === 4) closeConnection(state, 'it was answered before it was sent')
      const reason = await runWithTimeouts(state, { timeouts, socket }, (done) =>
        connection.reset((error) => done(error === null ? '' : 'RSET')),
      )
      if (reason !== '') closeConnection(state, reason)
      return reason === '' && isOpen()
    },
  }
}

/** Who thanks for a mail that it has not had yet is not believed. A line that broke is another thing than a peer that fell silent. */
function outcomeOf(state: ConnectionState, reason: string, mx: string): SmtpOutcome {
  const outcome = outcomeOfReplies(state.replies, reason, mx)
  if (outcome.kind === 'error' && isTimeout(reason)) return { ...outcome, error: 'timeout' }
  const isTooSoon = outcome.kind === 'reply' && outcome.code < 300 && !state.isDataSent
  return isTooSoon ? errorOutcome('dropped', 'it was answered before it was sent', mx) : outcome
}

/** One thing to do on the line: done, or ended, or late; '' is done. */
function runWithTimeouts(
  state: ConnectionState,
  { timeouts, socket }: Pick<SessionOptions, 'timeouts' | 'socket'>,
  action: (done: (reason: string) => void) => void,
): Promise<string> {
  if (state.closeReason !== null) return Promise.resolve(state.closeReason)
  return new Promise((resolve) => {
    const stepTimer = createStepTimer(timeouts, () => socket.bytesWritten, closeOnTimeout(state))
    state.startStep = stepTimer.start
    state.settle = (reason) => {
      stepTimer.stop()
      state.settle = () => {}
      state.startStep = () => {}
      resolve(reason)
    }
    stepTimer.start('command')
    action((reason) => state.settle(reason))
  })
}

/** RFC 6531 §3.2: an address that is not ASCII goes only to who has said that it may. */
const SMTPUTF8_REQUIRED = '550 5.6.7 The address is not ASCII, and the host does not take such addresses (SMTPUTF8)'

const localPart = (address: string): string => address.slice(0, Math.max(0, address.lastIndexOf('@')))

/** The domain as the peer's DNS has it. */
function asciiDomainAddress(address: string): string {
  const at = address.lastIndexOf('@')
  return at < 0 ? address : `${address.slice(0, at)}@${toALabels(address.slice(at + 1))}`
}

/** RFC 3461: the report names our delivery and the address that we wrote to; success is never reported. xtext is the library's work. */
function envelopeOf({ mailFrom: from, to, raw, envelopeId }: OutgoingMail): Parameters<SMTPConnection['send']>[0] {
  const recipient = asciiDomainAddress(to)
  const isPlain = isAscii(Buffer.from(recipient))
  const dsn =
    from === ''
      ? undefined
      : {
          ret: 'HDRS',
          notify: ['FAILURE', 'DELAY'],
          ...(envelopeId === undefined || envelopeId === null ? {} : { envid: envelopeId }),
          ...(isPlain ? { orcpt: `rfc822;${recipient}` } : {}),
        }
  return { from: from === '' ? false : asciiDomainAddress(from), to: recipient, use8BitMime: !isAscii(raw), dsn }
}

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
import { errorOutcome, readDialogue, replyOutcome } from './reply-outcome.ts'
import type { Outcome, Outgoing, Phase, Stop } from './transport.ts'
import { createWatch, type Patience, type Step } from './step-timeouts.ts'

export type Session = {
  readonly mx: string
  /** Mails that it has carried. */
  readonly carried: () => number
  readonly isOpen: () => boolean
  /** One mail; never two at once. */
  readonly send: (mail: Outgoing) => Promise<Outcome>
  /** What a mail left behind is cleared away; false: the connection is not to be used again. */
  readonly clear: () => Promise<boolean>
  /** Whether the last mail had any answer. */
  readonly wasHeard: () => boolean
  readonly onEnd: (listen: () => void) => void
  /** QUIT, and the end soon after, answered or not. */
  readonly quit: () => void
  readonly close: () => void
}

/** `plain`: encryption failed where it need not stand, so the same host may be asked in the clear. */
export type Opening =
  | { readonly kind: 'open'; readonly session: Session }
  | { readonly kind: 'failed'; readonly outcome: Outcome; readonly plain: boolean }

export type SessionWish = {
  readonly stop: Stop
  readonly socket: Socket
  readonly ehlo: string
  readonly patience: Patience
  /** Without TLS, though the stop's policy would have it. */
  readonly inTheClear: boolean
}

/** A reply is a few lines. Who writes more means harm. */
const MAX_RESPONSE = 65_536

/** A peer that has heard QUIT has nothing to say that we wait for. Milliseconds. */
const QUIT_MS = 5_000

type Line = {
  readonly connection: SMTPConnection
  /** Replies since the last mail began, or since the opening. */
  replies: string[]
  command: string
  hasUtf8: boolean
  carried: number
  /** All of the last mail has gone out. */
  isWritten: boolean
  /** The login is under way, or cannot be. */
  isLogin: boolean
  /** Why it ended; null: it is open. */
  ended: string | null
  /** Called once with why the line ended, or '' where the library is done. */
  settle: (why: string) => void
  begin: (step: Step) => void
  onEnd: () => void
}

/** Greeting, EHLO, TLS and login over a socket that stands. */
export function openSession(wish: SessionWish): Promise<Opening> {
  const { stop, socket, patience } = wish
  const line = createLine(wish)
  const { connection } = line
  return new Promise((resolve) => {
    const watch = createWatch(patience, () => socket.bytesWritten, lateBy(line))
    line.begin = watch.begin
    line.settle = (why) => {
      watch.stop()
      line.settle = () => {}
      if (why === '') return resolve({ kind: 'open', session: sessionOf(line, wish) })
      end(line, why)
      resolve(refused(line, wish, why))
    }
    watch.begin('greeting')
    connection.connect((error) => {
      if (error !== undefined && error !== null) return line.settle(error.message)
      if (stop.login === null) return line.settle('')
      line.isLogin = true
      if (!connection.secure && stop.tls !== 'off') return line.settle('it offers no encryption, and a password does not go in the clear')
      return connection.login(stop.login, (wrong) => line.settle(wrong === null ? '' : wrong.message))
    })
  })
}

function createLine({ stop, socket, ehlo, patience, inTheClear }: SessionWish): Line {
  const tls = inTheClear ? 'off' : stop.tls
  const mustEncrypt = tls === 'required' || tls === 'verified'
  const longest = Math.max(...Object.values(patience))
  const line: Omit<Line, 'connection'> = {
    replies: [],
    command: '',
    hasUtf8: false,
    carried: 0,
    isWritten: false,
    isLogin: false,
    ended: null,
    settle: () => {},
    begin: () => {},
    onEnd: () => {},
  }
  const connection = new SMTPConnection({
    connection: socket,
    host: stop.name,
    port: stop.port,
    name: ehlo,
    secure: stop.implicitTls,
    ignoreTLS: tls === 'off',
    requireTLS: mustEncrypt && !stop.implicitTls,
    opportunisticTLS: tls === 'opportunistic',
    tls: { rejectUnauthorized: tls === 'verified' },
    connectionTimeout: longest * 2,
    greetingTimeout: longest * 2,
    socketTimeout: longest * 2,
    socketCloseTimeout: QUIT_MS,
    maxResponseSize: MAX_RESPONSE,
    transactionLog: true,
    logger: loggerOf((what, text) => heed(whole, what, text)),
  })
  const whole: Line = Object.assign(line, { connection })
  connection.on('error', (error: Error) => end(whole, error.message))
  connection.on('end', () => end(whole, 'the connection was closed'))
  return whole
}

/** Every way in which a line ends comes here; the first one tells why. */
function end(line: Line, why: string): void {
  if (line.ended !== null) return
  line.ended = why === '' ? 'the connection was closed' : why
  line.settle(line.ended)
  line.connection.close()
  line.onEnd()
}

const LATE = 'no answer in'
const isLate = (why: string): boolean => why.startsWith(LATE)

const lateBy =
  (line: Line) =>
  (step: Step, limitMs: number): void =>
    end(line, `${LATE} ${Math.round(limitMs / 1_000)} s${step === 'greeting' ? '' : ` to ${line.command}`}`)

type Heed = (what: 'client' | 'server' | 'message', text: string) => void

/** What the library tells of the dialogue: commands, whole replies, and that all of the mail is written. */
function loggerOf(heed: Heed): Record<'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal', (entry: object, text?: unknown) => void> {
  const hear = (entry: object, text?: unknown): void => {
    const tnx: unknown = Reflect.get(entry, 'tnx')
    if (tnx === 'client' || tnx === 'server' || tnx === 'message') heed(tnx, typeof text === 'string' ? text : '')
  }
  return { trace: hear, debug: hear, info: hear, warn: hear, error: hear, fatal: hear }
}

function heed(line: Line, what: 'client' | 'server' | 'message', text: string): void {
  if (what === 'message') {
    line.isWritten = true
    return line.begin('end')
  }
  if (what === 'client') {
    line.command = (text.split(' ', 1)[0] ?? '').toUpperCase()
    return line.begin('command')
  }
  if (/^(?:EHLO|HELO)$/.test(line.command)) line.hasUtf8 = /^2[\s\S]*[ -]SMTPUTF8\b/im.test(text)
  line.replies.push(text)
  line.begin(line.command === 'DATA' && text.startsWith('354') ? 'block' : 'command')
}

const PHASES: Readonly<Record<string, Phase>> = { '': 'greeting', EHLO: 'ehlo', HELO: 'ehlo', STARTTLS: 'starttls' }

/** Why a session did not come about. A login that is refused is our own mistake, and no word about a mail. */
function refused({ connection, replies, command, isLogin }: Line, { stop, inTheClear }: SessionWish, why: string): Opening {
  const mx = stop.name
  const phase = PHASES[command]
  const isTls = stop.implicitTls || command === 'STARTTLS' || connection.upgrading === true
  const last = replies.at(-1) ?? ''
  const plain = isTls && stop.tls === 'opportunistic' && !inTheClear && !stop.implicitTls
  if (isLogin || phase === undefined)
    return { kind: 'failed', plain: false, outcome: errorOutcome('connect', `the login failed: ${why}`, mx) }
  const told = connection.upgrading === true || !/^[45]\d\d/.test(last) ? null : replyOutcome(last, phase, mx)
  if (told !== null && !(phase === 'starttls' && last.startsWith('5'))) return { kind: 'failed', plain, outcome: told }
  if (isTls) return { kind: 'failed', plain, outcome: errorOutcome('tls', why, mx) }
  return { kind: 'failed', plain: false, outcome: errorOutcome(isLate(why) ? 'timeout' : 'connect', why, mx) }
}

function sessionOf(line: Line, { stop, socket, patience }: SessionWish): Session {
  const { connection } = line
  const mx = stop.name
  const isOpen = (): boolean => line.ended === null && !connection.destroyed
  return {
    mx,
    isOpen,
    carried: () => line.carried,
    wasHeard: () => line.replies.length > 0,
    onEnd: (listen) => (line.onEnd = listen),
    close: () => end(line, 'the connection was closed by us'),
    quit: () => {
      if (!isOpen()) return
      connection.quit()
      setTimeout(() => end(line, 'QUIT'), QUIT_MS).unref()
    },
    send: (mail) => {
      line.replies = []
      line.carried += 1
      line.isWritten = false
      if (!line.hasUtf8 && !isAscii(Buffer.from(localPart(mail.to))))
        return Promise.resolve({ kind: 'reply', code: 550, text: NO_UTF8, mx, phase: 'rcpt' })
      return exchange(line, { patience, socket }, (done) => {
        connection.send(envelopeOf(mail), mail.raw, (error) => done(error === null || error === undefined ? '' : error.message))
      }).then((why) => outcomeOf(line, why === '' ? 'the connection was closed' : why, mx))
    },
    clear: async () => {
      // What came with the last reply is looked at first: a peer that answers twice is not to be used again.
      await setImmediate()
      if (!isOpen()) return false
      const heard = line.replies.length
      if (heard === 0 || (heard === 4 && line.isWritten)) return true
      if (heard === 4) end(line, 'it was answered before it was sent')
      const why = await exchange(line, { patience, socket }, (done) => connection.reset((error) => done(error === null ? '' : 'RSET')))
      if (why !== '') end(line, why)
      return why === '' && isOpen()
    },
  }
}

/** Who thanks for a mail that it has not had yet is not believed. A line that broke is another thing than a peer that fell silent. */
function outcomeOf(line: Line, why: string, mx: string): Outcome {
  const told = readDialogue(line.replies, why, mx)
  if (told.kind === 'error' && isLate(why)) return { ...told, error: 'timeout' }
  const isTooSoon = told.kind === 'reply' && told.code < 300 && !line.isWritten
  return isTooSoon ? errorOutcome('dropped', 'it was answered before it was sent', mx) : told
}

/** One thing to do on the line: done, or ended, or late; '' is done. */
function exchange(
  line: Line,
  { patience, socket }: Pick<SessionWish, 'patience' | 'socket'>,
  work: (done: (why: string) => void) => void,
): Promise<string> {
  if (line.ended !== null) return Promise.resolve(line.ended)
  return new Promise((resolve) => {
    const watch = createWatch(patience, () => socket.bytesWritten, lateBy(line))
    line.begin = watch.begin
    line.settle = (why) => {
      watch.stop()
      line.settle = () => {}
      line.begin = () => {}
      resolve(why)
    }
    watch.begin('command')
    work((why) => line.settle(why))
  })
}

/** RFC 6531 §3.2: an address that is not ASCII goes only to who has said that it may. */
const NO_UTF8 = '550 5.6.7 The address is not ASCII, and the host does not take such addresses (SMTPUTF8)'

const localPart = (address: string): string => address.slice(0, Math.max(0, address.lastIndexOf('@')))

/** The domain as the peer's DNS has it. */
function addressOf(address: string): string {
  const at = address.lastIndexOf('@')
  return at < 0 ? address : `${address.slice(0, at)}@${toALabels(address.slice(at + 1))}`
}

/** RFC 3461: the report names our delivery and the address that we wrote to; success is never reported. xtext is the library's work. */
function envelopeOf({ from, to, raw, envelopeId }: Outgoing): Parameters<SMTPConnection['send']>[0] {
  const recipient = addressOf(to)
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
  return { from: from === '' ? false : addressOf(from), to: recipient, use8BitMime: !isAscii(raw), dsn }
}

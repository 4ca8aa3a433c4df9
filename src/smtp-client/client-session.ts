/**
 * client-session - an SMTP session with one host, kept for several messages
 *
 * Opening and sending resolve exactly once, whatever the server does: garbage, silence, endless lines, a close, single bytes. RFC 5321 §3.
 *
 *     const opened = await openSmtpSession({ nextHop, socket, ehlo, timeouts, trace, isWithoutTls: false })
 *     if (opened.kind === 'open') { const outcome = await opened.session.send(mail); await opened.session.reset() }
 *
 * See also: smtp-client/handshake, smtp-client/mail-transaction, smtp-client/smtp-wire, smtp-client/connection-pool.
 */
import type { Socket } from 'node:net'
import type { Telemetry } from '../telemetry.ts'
import type { SmtpExtensions } from './envelope.ts'
import { performHandshake, type HandshakeFailure, type HandshakeOptions } from './handshake.ts'
import { clearTransaction, sendInTransaction } from './mail-transaction.ts'
import { createSmtpWire, type SmtpWire } from './smtp-wire.ts'
import type { SessionTrace } from './session-trace.ts'
import type { StepTimeouts } from './step-timeouts.ts'
import type { OutgoingMail, SmtpOutcome, TlsInUse } from './transport.ts'

export type SmtpSession = {
  readonly mx: string
  readonly address: string
  /** The name in EHLO. */
  readonly ehlo: string
  /** Null: not encrypted. */
  readonly tls: () => TlsInUse | null
  /** Messages that it has sent, delivered or not. */
  readonly mailCount: () => number
  readonly isOpen: () => boolean
  /** Sends one message; never two at once. Never rejects. */
  readonly send: (mail: OutgoingMail) => Promise<SmtpOutcome>
  /** Clears what the last message left behind. False: do not use the connection again. Never rejects. */
  readonly reset: () => Promise<boolean>
  /** Whether the last message had any reply. */
  readonly hasReplies: () => boolean
  readonly onClose: (listener: () => void) => void
  /** Sends QUIT and closes after its reply, or soon without it. */
  readonly quit: () => void
  readonly close: () => void
}

export type SessionResult =
  | { readonly kind: 'open'; readonly session: SmtpSession }
  | (HandshakeFailure & { readonly tls: TlsInUse | null })

type SessionOptions = HandshakeOptions & {
  readonly socket: Socket
  readonly timeouts: StepTimeouts
  readonly trace: SessionTrace
  readonly log?: Telemetry['log'] | undefined
}

/** Nothing depends on the reply to QUIT. */
const QUIT_TIMEOUT_MS = 5_000

/** Opens a session over a connected socket, which it owns from then on. Never rejects. */
export async function openSmtpSession({ socket, timeouts, trace, log, ...options }: SessionOptions): Promise<SessionResult> {
  const mx = options.nextHop.name
  const address = socket.remoteAddress ?? ''
  const wire = createSmtpWire({ socket, timeouts, mx, trace, log })
  const result = await performHandshake(wire, options)
  if (result.kind === 'ready')
    return { kind: 'open', session: createSession(wire, { mx, address, ehlo: options.ehlo, extensions: result.extensions, trace }) }
  wire.close('the session could not be opened')
  return { ...result, tls: wire.tls() }
}

type OpenedSession = {
  readonly mx: string
  readonly address: string
  readonly ehlo: string
  readonly extensions: SmtpExtensions
  readonly trace: SessionTrace
}

function createSession(wire: SmtpWire, { mx, address, ehlo, extensions, trace }: OpenedSession): SmtpSession {
  let mailCount = 0
  let replies: readonly string[] = []
  const isOpen = (): boolean => wire.closeReason() === null
  return {
    mx,
    address,
    ehlo,
    tls: wire.tls,
    isOpen,
    mailCount: () => mailCount,
    hasReplies: () => replies.length > 0,
    onClose: wire.onClose,
    send: async (mail) => {
      trace.beginMail(mail)
      const carried = mailCount
      if (carried > 0) trace.publish('client.reused', () => ({ mx, egressIp: mail.egressIp, carried }))
      mailCount += 1
      const result = await sendInTransaction(wire, { mx, extensions }, mail)
      replies = result.replies
      return result.outcome
    },
    reset: async () => {
      const isUsable = await clearTransaction(wire, replies)
      trace.endMail()
      return isUsable
    },
    close: () => wire.close('the connection was closed by us'),
    quit: () => {
      if (!isOpen()) return
      const end = (): void => {
        clearTimeout(timer)
        wire.close('QUIT')
      }
      const timer = setTimeout(end, QUIT_TIMEOUT_MS).unref()
      wire.send('QUIT')
      void wire.readReply('command').then(end)
    },
  }
}

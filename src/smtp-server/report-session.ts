/**
 * report-session - which mails are taken: the handlers of a session, and the way of a mail from DATA to our 250
 *
 * Takes reports and accounts' own mail, never relays: RCPT only at our own domains and theirs, and at `postmaster`. 250 is said only after the receiver has committed; a store that
 * fails is 451. Bodies share a budget until they are answered.
 *
 * See also: smtp-server/session-options, smtp-server/body-reader, smtp-server/refusals, service/receive/receive.
 */
import { SMTPServer, type SMTPServerAddress, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'
import { isRetryable } from '../errors.ts'
import { readBody } from './body-reader.ts'
import type { ListenerState, ReportListenerOptions } from './listener-options.ts'
import { createRefusalError } from './refusals.ts'
import { refuseBlockedPeer, beginTransaction, smtpServerOptions } from './session-options.ts'

/** Whose mail is taken, and where it goes. */
export type ReportAcceptance = Pick<ReportListenerOptions, 'domains' | 'isForwarded' | 'submit'>

/** The dialogue of the door for reports. */
export function createReportServer(state: ListenerState, acceptance: ReportAcceptance): SMTPServer {
  const server = new SMTPServer({
    ...smtpServerOptions(state, { banner: 'bounced', disabled: ['AUTH'] }),
    onMailFrom: (_address, session, done) => {
      void refuseBlockedPeer(state, session, { done, otherwiseReply: () => beginTransaction(state, session) })
    },
    onRcptTo: (address, session, done) => {
      void handleRcpt(state, { acceptance, address, session, done })
    },
    onData: (stream, session, done) => {
      void handleData(state, { acceptance, stream, session, done })
    },
  })
  server.on('error', (error) => state.options.telemetry.log.debug({ err: error }, 'smtp connection failed'))
  return server
}

type RcptRequest = {
  readonly acceptance: ReportAcceptance
  readonly address: SMTPServerAddress
  readonly session: SMTPServerSession
  readonly done: (error?: Error | null) => void
}

async function handleRcpt(state: ListenerState, { acceptance, address, session, done }: RcptRequest): Promise<void> {
  try {
    done(await checkRecipient(acceptance, address))
  } catch (error) {
    done(errorReplyFor(state, session, error))
  }
}

/** `postmaster` without a domain is ours too (RFC 5321 §4.5.1). */
async function checkRecipient(acceptance: ReportAcceptance, address: SMTPServerAddress): Promise<Error | null> {
  const to = address.address.toLowerCase()
  const at = to.lastIndexOf('@')
  if (at < 0) return to === 'postmaster' ? null : createRefusalError('relay')
  if (acceptance.domains.includes(to.slice(at + 1))) return null
  return (await acceptance.isForwarded?.(to)) === true ? null : createRefusalError('relay')
}

type DataRequest = {
  readonly acceptance: ReportAcceptance
  readonly stream: SMTPServerDataStream
  readonly session: SMTPServerSession
  readonly done: (error: Error | null, words?: string) => void
}

async function handleData(state: ListenerState, data: DataRequest): Promise<void> {
  try {
    data.done(null, await receiveMail(state, data))
  } catch (error) {
    data.done(errorReplyFor(state, data.session, error))
  }
}

/** Reads the body and hands it over once a recipient; resolves to the words of our 250. */
async function receiveMail(state: ListenerState, { acceptance, stream, session }: DataRequest): Promise<string> {
  const { options, budget } = state
  const { mailFrom: from, rcptTo: recipients } = session.envelope
  const sender = from === false ? '' : from.address
  const to = recipients.map((each) => each.address)
  const abort = (): void => state.openSessions.get(session.id)?.connection?.closeWith('stalled')
  const received = await readBody(stream, { maxBytes: options.limits.mailSize, budget, now: options.now, onAborted: abort })
  try {
    if (received === null) throw createRefusalError('stalled')
    if (stream.sizeExceeded) return ''
    const receivedAt = options.now()
    const common = {
      ...received.body,
      peer: session.remoteAddress,
      helo: session.hostNameAppearsAs || null,
      at: receivedAt,
      receivedAt,
      source: 'smtp',
      trustAs: null,
    } as const
    await Promise.all(
      to.map((recipient) => acceptance.submit({ ...common, envelope: { from: sender, to: recipient }, sessionId: session.id })),
    )
    return `2.6.0 taken, ${session.id}`
  } finally {
    received?.release()
    state.busySessions.delete(session.id)
  }
}

function errorReplyFor(state: ListenerState, session: SMTPServerSession, error: unknown): Error {
  if (error instanceof Error && 'responseCode' in error) return error
  const { telemetry } = state.options
  telemetry.count('bounced_mails_deferred_total')
  telemetry.log.error({ sessionId: session.id, err: error, retry: isRetryable(error) }, 'smtp mail not taken')
  return createRefusalError('storeBusy')
}

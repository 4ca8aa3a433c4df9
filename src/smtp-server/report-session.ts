/**
 * report-session - the sessions of the report listener: which recipients are accepted, and what happens between DATA and 250
 *
 * Accepts reports and inbound mail of accounts, never relays. 250 is sent only after every recipient's mail is committed. A store that
 * fails gives 451. A body counts in the memory budget until its mail has been answered.
 *
 * See also: smtp-server/incoming-router (accepted recipients), smtp-server/session-options, smtp-server/body-reader, smtp-server/refusals.
 */
import { SMTPServer, type SMTPServerAddress, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'
import { isRetryable } from '../errors.ts'
import { readBody } from './body-reader.ts'
import type { IncomingRouter } from './incoming-router.ts'
import type { ListenerState } from './listener-options.ts'
import { isLoopback } from '../net/peer-network.ts'
import { createRefusalError, type RefusalName } from './refusals.ts'
import { refuseBlockedPeer, beginTransaction, smtpServerOptions } from './session-options.ts'

/** Creates the SMTP server of the report listener. It executes sessions; the listener accepts the connections. */
export function createReportServer(state: ListenerState, router: IncomingRouter, isTrustedRelay: (address: string) => boolean): SMTPServer {
  const server = new SMTPServer({
    ...smtpServerOptions(state, { banner: 'bounced', disabled: ['AUTH'] }),
    onMailFrom: (_address, session, done) => {
      void refuseBlockedPeer(state, session, { done, otherwiseReply: () => beginTransaction(state, session) })
    },
    onRcptTo: (address, session, done) => {
      void handleRcpt(state, { router, isTrustedRelay, address, session, done })
    },
    onData: (stream, session, done) => {
      void handleData(state, { router, stream, session, done })
    },
  })
  server.on('error', (error) => state.options.telemetry.log.debug({ err: error }, 'smtp connection failed'))
  return server
}

type RcptRequest = {
  readonly router: IncomingRouter
  readonly isTrustedRelay: (address: string) => boolean
  readonly address: SMTPServerAddress
  readonly session: SMTPServerSession
  readonly done: (error?: Error | null) => void
}

async function handleRcpt(state: ListenerState, request: RcptRequest): Promise<void> {
  const { router, address, session, done } = request
  try {
    const destination = await router.destinationOf(address.address)
    state.options.telemetry.log.debug({ sessionId: session.id, to: address.address, destination }, 'smtp recipient routed')
    const refusal: RefusalName | null = destination === null ? 'relay' : hasOtherToken(request) ? 'tokens' : null
    done(refusal === null ? null : createRefusalError(refusal))
  } catch (error) {
    done(errorReplyFor(state, session, error))
  }
}

/**
 * Whether a stranger's mail with a null sender has a token address already. A report is about one message, so a genuine one has one; each
 * further token would multiply the work and the records that one DATA causes. The client retries the rest (RFC 5321 §4.5.3.1.10).
 */
function hasOtherToken({ router, isTrustedRelay, address, session }: RcptRequest): boolean {
  const { mailFrom, rcptTo } = session.envelope
  if ((mailFrom !== false && mailFrom.address !== '') || isLoopback(session.remoteAddress) || isTrustedRelay(session.remoteAddress))
    return false
  const added = address.address.toLowerCase()
  return router.isTokenAddress(added) && rcptTo.some((each) => router.isTokenAddress(each.address) && each.address.toLowerCase() !== added)
}

type DataRequest = {
  readonly router: IncomingRouter
  readonly stream: SMTPServerDataStream
  readonly session: SMTPServerSession
  readonly done: (error: Error | null, text?: string) => void
}

async function handleData(state: ListenerState, data: DataRequest): Promise<void> {
  try {
    data.done(null, await receiveMail(state, data))
  } catch (error) {
    data.done(errorReplyFor(state, data.session, error))
  }
}

/** Reads the body and submits it once for each recipient. Resolves to the text of the 250 reply. */
async function receiveMail(state: ListenerState, { router, stream, session }: DataRequest): Promise<string> {
  const { options, budget } = state
  const { mailFrom, rcptTo } = session.envelope
  const from = mailFrom === false ? '' : mailFrom.address
  const abort = (): void => state.openSessions.get(session.id)?.connection?.closeWith('stalled')
  const received = await readBody(stream, { maxBytes: options.limits.mailSize, budget, now: options.now, onAborted: abort })
  try {
    if (received === null) throw createRefusalError('stalled')
    const { size, truncated } = received.body
    options.telemetry.log.debug({ sessionId: session.id, from, size, truncated, recipients: rcptTo.length }, 'smtp data received')
    // smtp-server answers 552 itself.
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
      sessionId: session.id,
    } as const
    await Promise.all(rcptTo.map(({ address }) => router.submit({ ...common, envelope: { from, to: address } })))
    return `2.6.0 accepted, ${session.id}`
  } finally {
    received?.release()
    state.busySessions.delete(session.id)
  }
}

function errorReplyFor(state: ListenerState, session: SMTPServerSession, error: unknown): Error {
  if (error instanceof Error && 'responseCode' in error) return error
  const { telemetry } = state.options
  telemetry.count('bounced_mails_deferred_total')
  telemetry.log.error({ sessionId: session.id, err: error, retry: isRetryable(error) }, 'smtp mail deferred')
  return createRefusalError('storeBusy')
}

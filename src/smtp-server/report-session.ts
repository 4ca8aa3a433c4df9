/**
 * report-session - the sessions of the report listener, by SMTP and LMTP: which recipients are accepted, and what happens between DATA and 250
 *
 * Accepts reports and inbound mail of accounts, never relays. 250 is sent only after every recipient's mail is committed. A store that
 * fails gives 451. A body counts in the memory budget until its mail has been answered.
 *
 * LMTP is for the operator's own mail servers. It has one reply for each recipient after DATA, so that a recipient whose commit failed comes again
 * alone, and any number of token addresses.
 *
 * RFC 2033 (LMTP). See also: smtp-server/incoming-router (accepted recipients), smtp-server/session-options, smtp-server/body-reader, smtp-server/refusals.
 */
import { SMTPServer, type SMTPServerAddress, type SMTPServerDataStream, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server'
import { isRetryable } from '../errors.ts'
import { readBody } from './body-reader.ts'
import type { IncomingRouter } from './incoming-router.ts'
import type { ListenerState } from './listener-options.ts'
import type { IncomingMail } from '../service/receive/incoming-mail.ts'
import { isLoopback } from '../net/peer-network.ts'
import { createRefusalError, type RefusalName } from './refusals.ts'
import { refuseBlockedPeer, beginTransaction, smtpServerOptions } from './session-options.ts'

type IsTrustedRelay = (address: string) => boolean

/** Creates the SMTP server of the report listener. It executes sessions; the listener accepts the connections. */
export function createReportServer(state: ListenerState, router: IncomingRouter, isTrustedRelay: IsTrustedRelay): SMTPServer {
  return createServer(state, {
    ...smtpServerOptions(state, { banner: 'bounced', disabled: ['AUTH'] }),
    onMailFrom: (_address, session, done) => {
      void refuseBlockedPeer(state, session, { done, otherwiseReply: () => beginTransaction(state, session) })
    },
    onRcptTo: (address, session, done) => {
      const refuse = (): RefusalName | null => (hasOtherToken({ router, isTrustedRelay, address, session }) ? 'tokens' : null)
      void handleRcpt(state, { router, address, session, done, refuse })
    },
    onData: (stream, session, done) => {
      void handleData(state, { router, stream, session, done, source: 'smtp' })
    },
  })
}

/** Creates the SMTP server of the LMTP listener. It refuses clients that are neither on this machine nor trusted relays. */
export function createLmtpServer(state: ListenerState, router: IncomingRouter, isTrustedRelay: IsTrustedRelay): SMTPServer {
  return createServer(state, {
    ...smtpServerOptions(state, { banner: 'bounced', disabled: ['AUTH'] }),
    lmtp: true,
    onConnect: ({ remoteAddress }, done) => {
      const isOwn = isLoopback(remoteAddress) || isTrustedRelay(remoteAddress)
      done(state.isClosing ? createRefusalError('closing') : isOwn ? null : createRefusalError('stranger'))
    },
    onMailFrom: (_address, session, done) => done(beginTransaction(state, session)),
    onRcptTo: (address, session, done) => {
      void handleRcpt(state, { router, address, session, done, refuse: () => (isRepeated(address, session) ? 'repeated' : null) })
    },
    onData: (stream, session, done) => {
      void handleData(state, { router, stream, session, done, source: 'lmtp' })
    },
  })
}

function createServer(state: ListenerState, options: SMTPServerOptions): SMTPServer {
  const server = new SMTPServer(options)
  server.on('error', (error) => state.options.telemetry.log.debug({ err: error }, 'smtp connection failed'))
  return server
}

type RcptRequest = {
  readonly router: IncomingRouter
  readonly address: SMTPServerAddress
  readonly session: SMTPServerSession
  readonly done: (error?: Error | null) => void
  /** Why a recipient of ours is refused all the same; null: it is not. */
  readonly refuse: () => RefusalName | null
}

async function handleRcpt(state: ListenerState, request: RcptRequest): Promise<void> {
  const { router, address, session, done, refuse } = request
  try {
    const destination = await router.destinationOf(address.address)
    state.options.telemetry.log.debug({ sessionId: session.id, to: address.address, destination }, 'smtp recipient routed')
    const refusal: RefusalName | null = destination === null ? 'relay' : refuse()
    done(refusal === null ? null : createRefusalError(refusal))
  } catch (error) {
    done(errorReplyFor(state, session, error))
  }
}

/**
 * Whether a stranger's mail with a null sender has a token address already. A report is about one message, so a genuine one has one; each
 * further token would multiply the work and the records that one DATA causes. The client retries the rest (RFC 5321 §4.5.3.1.10).
 */
function hasOtherToken({
  router,
  isTrustedRelay,
  address,
  session,
}: Pick<RcptRequest, 'router' | 'address' | 'session'> & { readonly isTrustedRelay: IsTrustedRelay }): boolean {
  const { mailFrom, rcptTo } = session.envelope
  if ((mailFrom !== false && mailFrom.address !== '') || isLoopback(session.remoteAddress) || isTrustedRelay(session.remoteAddress))
    return false
  const added = address.address.toLowerCase()
  return router.isTokenAddress(added) && rcptTo.some((each) => router.isTokenAddress(each.address) && each.address.toLowerCase() !== added)
}

/** Whether the transaction has the recipient already. smtp-server would count both as one, and LMTP needs a reply for each (RFC 2033 §4.2). */
const isRepeated = ({ address }: SMTPServerAddress, { envelope }: SMTPServerSession): boolean =>
  envelope.rcptTo.some((each) => each.address.toLowerCase() === address.toLowerCase())

type DataRequest = {
  readonly router: IncomingRouter
  readonly stream: SMTPServerDataStream
  readonly session: SMTPServerSession
  /** Several results: one for each recipient, in their order. */
  readonly done: (error: Error | null, results?: string | (string | Error)[]) => void
  readonly source: 'smtp' | 'lmtp'
}

async function handleData(state: ListenerState, data: DataRequest): Promise<void> {
  try {
    data.done(null, await receiveMail(state, data))
  } catch (error) {
    data.done(errorReplyFor(state, data.session, error))
  }
}

/** Reads the body and submits it once for each recipient. Resolves to the text of the 250 reply, or to one result for each recipient. */
async function receiveMail(state: ListenerState, { router, stream, session, source }: DataRequest): Promise<string | (string | Error)[]> {
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
      ...peerOf(source, session),
      at: receivedAt,
      receivedAt,
      source,
      trustAs: null,
      sessionId: session.id,
    } as const
    const submissions = rcptTo.map(({ address }) => router.submit({ ...common, envelope: { from, to: address } }))
    const refuse = (error: unknown): Error => errorReplyFor(state, session, error)
    const accepted = `2.6.0 accepted, ${session.id}`
    if (source === 'lmtp') return await Promise.all(submissions.map((each) => each.then(() => accepted, refuse)))
    await Promise.all(submissions)
    state.knownPeers.remember(session.remoteAddress, receivedAt)
    return accepted
  } finally {
    received?.release()
    state.busySessions.delete(session.id)
  }
}

/** The client of LMTP is a mail server of the operator, which says nothing about where a mail comes from. */
const peerOf = (
  source: DataRequest['source'],
  { remoteAddress, hostNameAppearsAs }: SMTPServerSession,
): Pick<IncomingMail, 'peer' | 'helo'> =>
  source === 'lmtp' ? { peer: null, helo: null } : { peer: remoteAddress, helo: hostNameAppearsAs || null }

function errorReplyFor(state: ListenerState, session: SMTPServerSession, error: unknown): Error {
  if (error instanceof Error && 'responseCode' in error) return error
  const { telemetry } = state.options
  telemetry.count('bounced_mails_deferred_total')
  telemetry.log.error({ sessionId: session.id, err: error, retry: isRetryable(error) }, 'smtp mail deferred')
  return createRefusalError('storeBusy')
}

/**
 * provider-server - one simulated provider as a real SMTP server on loopback
 *
 * simulator/provider-model decides every response, as in a simulation. This file executes the decisions, each in its phase: refusals in the greeting, at
 * MAIL, at RCPT or after the message, connections that are closed, outages. The egress IP of a client is the one in its PROXY header. A refusal at EHLO
 * comes as the greeting and one at DATA after the message, because the library has no hook there.
 *
 * See also: simulator/provider-model, smtp-client/transport (the client), simulator/smtp/provider-network.
 */
import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerAddress, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'
import type { Certificate } from '../../net/certificate.ts'
import {
  type ProviderResponse,
  respondInOutage,
  respondToConnection,
  respondToMail,
  respondToRecipient,
  type SimulatedAttempt,
  type SimulatedProvider,
} from '../provider-model.ts'
import { createRetryMemory, recipientNumberOf, type RetryMemory } from './retry-memory.ts'
import type { AcceptedMessage } from './ndr-builder.ts'

type ProviderServerOptions = {
  readonly provider: SimulatedProvider
  readonly certificate: Certificate | null
  /** The simulated time, in epoch milliseconds, and the real duration of a simulated one. */
  readonly now: () => number
  readonly toRealMs: (milliseconds: number) => number
  /** Called with each accepted message. */
  readonly onAccepted: (message: AcceptedMessage, response: ProviderResponse) => void
  readonly count: (what: 'attempts' | 'taken' | 'refused' | 'dropped') => void
}

export type ProviderServer = { readonly port: number; readonly close: () => Promise<void> }

/** The most header bytes of a message that are kept for its report. */
const MAX_HEADER_BYTES = 65_536

type SmtpTransaction = { response: ProviderResponse; readonly from: string; readonly recipient: string; readonly envelopeId: string | null }

/** The state of one server. Connections are counted by egress IP; transactions, and how many there were, are kept by session. */
type ServerState = ProviderServerOptions & {
  readonly transactions: Map<string, SmtpTransaction>
  readonly mailsBySession: Map<string, number>
  readonly connectionsByIp: Map<string, number>
  readonly retryMemory: RetryMemory
}

/** Starts the server. Resolves once it listens. */
export async function startProviderServer(options: ProviderServerOptions): Promise<ProviderServer> {
  const { provider, certificate } = options
  const state: ServerState = {
    ...options,
    transactions: new Map(),
    mailsBySession: new Map(),
    connectionsByIp: new Map(),
    retryMemory: createRetryMemory(),
  }
  const server = new SMTPServer({
    name: provider.file.mx,
    banner: provider.file.title,
    useProxy: true,
    authOptional: true,
    disableReverseLookup: true,
    hideENHANCEDSTATUSCODES: true,
    hideDSN: false,
    disabledCommands: ['AUTH', ...(certificate === null ? ['STARTTLS'] : [])],
    lenientAddressParsing: true,
    maxAllowedUnauthenticatedCommands: false,
    closeTimeout: 100,
    logger: false,
    ...certificate,
    onConnect: (session, done) => handleConnect(state, { session, drop: () => dropConnection(server, session) }, done),
    onClose: (session) => handleClose(state, session),
    onMailFrom: (_address, session, done) => handleMail(state, session, done),
    onRcptTo: (address, session, done) => handleRcpt(state, { address, session, drop: () => dropConnection(server, session) }, done),
    onData: (stream, session, done) => {
      const closeAfter = (response: ProviderResponse): void => closeIfDue(response, () => dropConnection(server, session))
      void handleData(state, { stream, session, transaction: state.transactions.get(session.id), closeAfter }, done)
    },
  })
  server.on('error', () => {})
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.server.address() as AddressInfo // checked: it listens on TCP
  return { port, close: () => new Promise((resolve) => server.close(() => resolve())) }
}

type SmtpCallback = (error?: Error | null, message?: string) => void

/** A session, and the function that closes its connection. */
type SessionInput = { readonly session: SMTPServerSession; readonly drop: () => void }

function handleConnect(state: ServerState, { session, drop }: SessionInput, done: SmtpCallback): void {
  const { connectionsByIp } = state
  connectionsByIp.set(session.remoteAddress, (connectionsByIp.get(session.remoteAddress) ?? 0) + 1)
  const outage = outageModeOf(state)
  // Without a greeting the client runs into its timeout.
  if (outage === 'timeout') return
  if (outage === 'connect') return drop()
  const refused = respondToConnection(state.provider, connectionAttemptOf(state, session))
  if (refused === null) return done()
  state.count('refused')
  setTimeout(() => done(replyError(refused.text ?? '')), state.toRealMs(refused.durationMs))
}

/** Refuses the sender or its connection before the recipient is known. */
function handleMail(state: ServerState, session: SMTPServerSession, done: SmtpCallback): void {
  const { provider, mailsBySession } = state
  const attempt = connectionAttemptOf(state, session)
  mailsBySession.set(session.id, attempt.session.mails + 1)
  const refused = respondInOutage(provider, attempt) === null ? respondToMail(provider, attempt) : null
  if (refused === null) return done()
  state.count('attempts')
  state.count('refused')
  setTimeout(() => done(replyError(refused.text ?? '')), state.toRealMs(refused.durationMs))
}

/** What is known of an attempt before its recipient. */
function connectionAttemptOf(
  { now, connectionsByIp, mailsBySession, provider }: ServerState,
  session: SMTPServerSession,
): SimulatedAttempt {
  const { mailFrom } = session.envelope
  const mails = mailsBySession.get(session.id) ?? 0
  const at = now()
  return {
    recipientNumber: 0,
    messageNumber: 0,
    attempt: 1,
    at,
    firstAt: at,
    ip: session.remoteAddress,
    senderDomain: mailFrom === false ? '' : domainOf(mailFrom.address),
    recipient: '',
    domain: '',
    id: `${session.id}-${mails}`,
    connections: connectionsByIp.get(session.remoteAddress) ?? 1,
    session: { isNew: mails === 0, mails, isEncrypted: session.secure },
    mailboxes: provider.file.mailboxes,
  }
}

function handleClose({ transactions, mailsBySession, connectionsByIp }: ServerState, session: SMTPServerSession): void {
  transactions.delete(session.id)
  mailsBySession.delete(session.id)
  const left = (connectionsByIp.get(session.remoteAddress) ?? 1) - 1
  if (left > 0) connectionsByIp.set(session.remoteAddress, left)
  else connectionsByIp.delete(session.remoteAddress)
}

function handleRcpt(state: ServerState, input: SessionInput & { readonly address: SMTPServerAddress }, done: SmtpCallback): void {
  const transaction = attemptDelivery(state, input)
  state.transactions.set(input.session.id, transaction)
  const { response } = transaction
  state.count('attempts')
  if (response.error !== null) {
    state.count('dropped')
    setTimeout(input.drop, state.toRealMs(response.durationMs))
  } else if (isRefusedAtRcpt(transaction)) {
    state.count('refused')
    setTimeout(() => {
      done(replyError(response.text ?? ''))
      closeIfDue(response, input.drop)
    }, state.toRealMs(response.durationMs))
  } else done()
}

/** Lets the reply out first. A 421 is closed by the library. */
function closeIfDue({ closes, text }: ProviderResponse, drop: () => void): void {
  if (closes && text?.startsWith('421') === false) setImmediate(drop)
}

function outageModeOf({ provider, now }: ProviderServerOptions): 'connect' | 'timeout' | null {
  const { file, conditions } = provider
  const at = now()
  const how = file.unreachable ?? conditions.outages.find((each) => each.from <= at && at < each.to)?.how
  return how === 'connect' || how === 'dns' ? 'connect' : how === 'timeout' ? 'timeout' : null
}

/** Closes the connection of a session without a reply. */
function dropConnection(server: SMTPServer, { id }: SMTPServerSession): void {
  for (const connection of server.connections) if (connection.session.id === id) connection._socket.destroy()
}

function attemptDelivery(
  state: ServerState,
  { address, session }: { readonly address: SMTPServerAddress; readonly session: SMTPServerSession },
): SmtpTransaction {
  const { provider, retryMemory } = state
  const { mailFrom } = session.envelope
  const from = mailFrom === false ? '' : mailFrom.address
  const args = mailFrom === false || mailFrom.args === false ? {} : mailFrom.args
  const recipient = address.address
  const known = connectionAttemptOf(state, session)
  const remembered = retryMemory.recordAttempt(from, recipient, known.at)
  const attempt: SimulatedAttempt = {
    ...known,
    recipientNumber: recipientNumberOf(recipient),
    messageNumber: remembered.number,
    attempt: remembered.attempts,
    firstAt: remembered.firstAt,
    recipient,
    domain: domainOf(recipient),
    id: `${remembered.number}-${remembered.attempts}`,
    // MAIL has counted this message.
    session: { ...known.session, mails: known.session.mails - 1 },
  }
  const response = respondInOutage(provider, attempt) ?? respondToRecipient(provider, attempt)
  return { response, from, recipient, envelopeId: typeof args['ENVID'] === 'string' ? args['ENVID'] : null }
}

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

/** Whether the refusal comes at RCPT. */
const isRefusedAtRcpt = ({ response: { text, phase } }: SmtpTransaction): boolean =>
  text !== null && !text.startsWith('2') && phase !== 'data' && phase !== 'end'

/** The error from which smtp-server writes this reply. */
const replyError = (text: string): Error => Object.assign(new Error(text.slice(4)), { responseCode: Number(text.slice(0, 3)) })

type DataInput = {
  readonly stream: SMTPServerDataStream
  readonly session: SMTPServerSession
  readonly transaction: SmtpTransaction | undefined
  /** Closes the connection, if the provider does so after the response. */
  readonly closeAfter: (response: ProviderResponse) => void
}

async function handleData(
  options: ProviderServerOptions,
  { stream, session, transaction, closeAfter }: DataInput,
  done: SmtpCallback,
): Promise<void> {
  const head = await readHeader(stream)
  if (transaction === undefined) return done(replyError('451 4.3.0 Try again'))
  const { response, from, recipient, envelopeId } = transaction
  const text = response.text ?? '451 4.3.0 Try again'
  await new Promise((resolve) => setTimeout(resolve, options.toRealMs(response.durationMs)))
  if (!text.startsWith('2')) {
    options.count('refused')
    done(replyError(text))
    return closeAfter(response)
  }
  options.count('taken')
  options.onAccepted({ from, recipient, header: head, acceptedAt: Date.now(), envelopeId, ip: session.remoteAddress }, response)
  done(null, text.slice(4))
  closeAfter(response)
}

async function readHeader(stream: SMTPServerDataStream): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    if (size < MAX_HEADER_BYTES && Buffer.isBuffer(chunk)) chunks.push(chunk)
    size += Buffer.isBuffer(chunk) ? chunk.length : 0
  }
  const text = Buffer.concat(chunks).subarray(0, MAX_HEADER_BYTES).toString('utf8')
  const end = text.search(/\r?\n\r?\n/)
  return end < 0 ? text : text.slice(0, end)
}

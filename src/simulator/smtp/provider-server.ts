/**
 * provider-server - one provider as a real SMTP server on loopback
 *
 * What it does is decided by simulator/provider-model, as in a simulation; here it is only said aloud: refusals of the sender or the recipient at RCPT,
 * of the content after the mail, a line that drops, a server that is not there. Where the mail comes from is what the PROXY header says.
 * What it takes may come back: a report, a complaint.
 *
 * See also: simulator/provider-model (what it thinks), smtp-client/transport (who calls), simulator/smtp/provider-network.
 */
import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerAddress, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server'
import type { Certificate } from '../../net/certificate.ts'
import { type ProviderResponse, respondToAttempt, type SimulatedProvider } from '../provider-model.ts'
import { createRetryMemory, type RememberedMessage, recipientNumberOf } from './retry-memory.ts'
import type { AcceptedMessage } from './ndr-builder.ts'

type ProviderServerOptions = {
  readonly provider: SimulatedProvider
  readonly certificate: Certificate | null
  /** The laboratory's time, in milliseconds; and how long a span of it is in ours. */
  readonly now: () => number
  readonly toRealMs: (milliseconds: number) => number
  /** It has taken a mail, and this is what comes of it. */
  readonly onAccepted: (taken: AcceptedMessage, response: ProviderResponse) => void
  readonly count: (what: 'attempts' | 'taken' | 'refused' | 'dropped') => void
}

export type ProviderServer = { readonly port: number; readonly close: () => Promise<void> }

/** Headers of a mail that goes back are at most so many bytes. */
const MAX_HEADER_BYTES = 65_536

type SmtpTransaction = { response: ProviderResponse; readonly from: string; readonly recipient: string; readonly envelopeId: string | null }

/** Opens its door; resolves once it listens. */
export async function startProviderServer(options: ProviderServerOptions): Promise<ProviderServer> {
  const { provider, certificate } = options
  const transactions = new Map<string, SmtpTransaction>()
  const connectionsByAddress = new Map<string, number>()
  const retryMemory = createRetryMemory()
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
    onConnect: (session, done) => {
      connectionsByAddress.set(session.remoteAddress, (connectionsByAddress.get(session.remoteAddress) ?? 0) + 1)
      if (!isDown(options)) done()
      // Nobody answers: the caller gives up, or the line is cut.
      else if (outageModeOf(options) === 'connect') dropConnection(server, session)
    },
    onClose: (session) => {
      transactions.delete(session.id)
      const left = (connectionsByAddress.get(session.remoteAddress) ?? 1) - 1
      if (left > 0) connectionsByAddress.set(session.remoteAddress, left)
      else connectionsByAddress.delete(session.remoteAddress)
    },
    onRcptTo: (address, session, done) => {
      const transaction = attemptDelivery(options, retryMemory.recordAttempt, {
        address,
        session,
        connections: connectionsByAddress.get(session.remoteAddress) ?? 1,
      })
      transactions.set(session.id, transaction)
      const { response } = transaction
      options.count('attempts')
      if (response.error !== null) {
        options.count('dropped')
        setTimeout(() => dropConnection(server, session), options.toRealMs(response.durationMs))
      } else if (isRefusedAtRcpt(options, transaction)) {
        options.count('refused')
        setTimeout(() => done(replyError(response.text ?? '')), options.toRealMs(response.durationMs))
      } else done()
    },
    onData: (stream, session, done) => {
      void handleData(options, { stream, session, transaction: transactions.get(session.id) }, done)
    },
  })
  server.on('error', () => {})
  await new Promise<void>((resolve, reject) => {
    server.server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.server.address() as AddressInfo // it listens on TCP
  return { port, close: () => new Promise((resolve) => server.close(() => resolve())) }
}

const isDown = (options: ProviderServerOptions): boolean => outageModeOf(options) !== null

function outageModeOf({ provider, now }: ProviderServerOptions): 'connect' | 'timeout' | null {
  const { file, conditions: weather } = provider
  const at = now()
  const how = file.unreachable ?? weather.outages.find((each) => each.from <= at && at < each.to)?.how
  return how === 'connect' || how === 'dns' ? 'connect' : how === 'timeout' ? 'timeout' : null
}

/** The line is cut without a word. */
function dropConnection(server: SMTPServer, { id }: SMTPServerSession): void {
  for (const connection of server.connections) if (connection.session.id === id) connection._socket.destroy()
}

type RcptInput = { readonly address: SMTPServerAddress; readonly session: SMTPServerSession; readonly connections: number }

function attemptDelivery(
  { provider, now }: ProviderServerOptions,
  recordAttempt: (from: string, to: string, at: number) => RememberedMessage,
  input: RcptInput,
): SmtpTransaction {
  const { address, session, connections } = input
  const { mailFrom } = session.envelope
  const from = mailFrom === false ? '' : mailFrom.address
  const args = mailFrom === false || mailFrom.args === false ? {} : mailFrom.args
  const recipient = address.address
  const at = now()
  const remembered = recordAttempt(from, recipient, at)
  const response = respondToAttempt(provider, {
    recipientNumber: recipientNumberOf(recipient),
    messageNumber: remembered.number,
    attempt: remembered.attempts,
    at,
    firstAt: remembered.firstAt,
    ip: session.remoteAddress,
    senderDomain: domainOf(from),
    recipient,
    domain: domainOf(recipient),
    id: `${remembered.number}-${remembered.attempts}`,
    connections,
    mailboxes: provider.file.mailboxes,
  })
  return { response, from, recipient, envelopeId: typeof args['ENVID'] === 'string' ? args['ENVID'] : null }
}

const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

/** What is wrong with a mail's content shows when it has come. */
function isRefusedAtRcpt({ provider }: ProviderServerOptions, { response }: SmtpTransaction): boolean {
  if (response.text === null || response.text.startsWith('2')) return false
  const content = provider.file.answer['content']?.text ?? ''
  return content === '' || !response.text.startsWith(content.slice(0, content.indexOf('{') < 0 ? 40 : content.indexOf('{')))
}

/** smtp-server writes the code, then the message. */
const replyError = (text: string): Error => Object.assign(new Error(text.slice(4)), { responseCode: Number(text.slice(0, 3)) })

type DataInput = {
  readonly stream: SMTPServerDataStream
  readonly session: SMTPServerSession
  readonly transaction: SmtpTransaction | undefined
}
type SmtpCallback = (error?: Error | null, message?: string) => void

async function handleData(options: ProviderServerOptions, { stream, session, transaction }: DataInput, done: SmtpCallback): Promise<void> {
  const head = await readHeader(stream)
  if (transaction === undefined) return done(replyError('451 4.3.0 Try again'))
  const { response, from, recipient, envelopeId } = transaction
  const text = response.text ?? '451 4.3.0 Try again'
  await new Promise((resolve) => setTimeout(resolve, options.toRealMs(response.durationMs)))
  if (!text.startsWith('2')) {
    options.count('refused')
    return done(replyError(text))
  }
  options.count('taken')
  options.onAccepted({ from, recipient, header: head, acceptedAt: Date.now(), envelopeId, ip: session.remoteAddress }, response)
  done(null, text.slice(4))
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

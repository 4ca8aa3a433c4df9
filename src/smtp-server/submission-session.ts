/**
 * submission-session - senders sign in and hand over mail that our own queue sends
 *
 * The listener is that of smtp-server/listener: the same clocks, limits, line ends and budget. Only who has signed in may send: AUTH is offered behind TLS, and
 * without it to loopback alone, unless a setting says otherwise. 250 is said after the commit, with the vendor's words `#<messageId>#Queued`.
 *
 * RFC 6409, RFC 4954, RFC 4616. See also: smtp-server/submitted-message (what a mail says), service/submit/submit, docs/SENDING.md.
 */
import {
  SMTPServer,
  type SMTPServerAddress,
  type SMTPServerAuthentication,
  type SMTPServerDataStream,
  type SMTPServerSession,
} from 'smtp-server'
import { normaliseAddress } from '../correlate/address-hash.ts'
import { Fault, isRetryable } from '../errors.ts'
import type { Caller } from '../service/caller.ts'
import type { Submission, SubmissionResult } from '../service/submit/submit.ts'
import { readBody } from './body-reader.ts'
import type { ListenerState, ListenerOptions } from './listener-options.ts'
import { parseSubmittedMessage } from './submitted-message.ts'
import { startListener, type SmtpListener } from './listener.ts'
import { createRefusalError, type RefusalName } from './refusals.ts'
import { beginTransaction, smtpServerOptions } from './session-options.ts'

/** Counts wrong keys a minute. */
export type FailedSignInLimiter = {
  readonly consume: (key: string, now: number) => boolean
  readonly isExhausted: (key: string, now: number) => boolean
}

export type SubmissionListenerOptions = Omit<ListenerOptions, 'gauges' | 'offersAuth' | 'tooLarge'> & {
  /** Null: the name or the key is wrong. */
  readonly authenticate: (apiUser: string, apiKey: string) => Promise<{ readonly account: number; readonly apiUser: string } | null>
  readonly failedSignIns: FailedSignInLimiter
  /** Lets AUTH go in plain sight from anywhere. */
  readonly isPlaintextAuthAllowed: boolean
  readonly submit: (submitter: Caller, call: Submission) => Promise<SubmissionResult>
}

/** Who signed in, as the session carries it. */
type SignedInSender = { readonly account: number; readonly apiUser: string; readonly labelId: number | null }

const GAUGES = { connections: 'bounced_submission_connections', bodies: 'bounced_submission_body_bytes' } as const

/** Opens the door; resolves once it listens. Faults: config_invalid (proxyPeers). */
export function startSubmissionListener(options: SubmissionListenerOptions): Promise<SmtpListener> {
  const offersAuth: ListenerOptions['offersAuth'] = ({ address, isSecure }) =>
    isSecure || options.isPlaintextAuthAllowed || isLoopback(address)
  return startListener({ ...options, gauges: GAUGES, offersAuth, tooLarge: 'submissionSize' }, (state) =>
    createSubmissionServer(state, options),
  )
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.')

function createSubmissionServer(state: ListenerState, options: SubmissionListenerOptions): SMTPServer {
  const server = new SMTPServer({
    ...smtpServerOptions(state, { banner: 'bounced submission', disabled: [] }),
    authMethods: ['PLAIN', 'LOGIN'],
    // Where it may not go in plain sight it is not offered at all.
    allowInsecureAuth: true,
    onAuth: (auth, session, done) => {
      void handleAuth(options, { auth, session, done })
    },
    onMailFrom: (_address, session, done) => {
      done(signedInSender(session) === null && !state.isClosing ? createRefusalError('signIn') : beginTransaction(state, session))
    },
    onRcptTo: (address, _session, done) => done(checkRecipient(address)),
    onData: (stream, session, done) => {
      void handleData(state, options, { stream, session, done })
    },
  })
  server.on('error', (error) => options.telemetry.log.debug({ err: error }, 'submission connection failed'))
  return server
}

type AuthRequest = {
  readonly auth: SMTPServerAuthentication
  readonly session: SMTPServerSession
  readonly done: (error: Error | null, response?: { readonly user: SignedInSender }) => void
}

async function handleAuth(options: SubmissionListenerOptions, { auth, session, done }: AuthRequest): Promise<void> {
  try {
    done(null, { user: await authenticate(options, auth, session) })
  } catch (error) {
    done(errorReplyFor(options, session, error))
  }
}

/** `apiUser` or `apiUser#labelId`. */
async function authenticate(
  options: SubmissionListenerOptions,
  auth: SMTPServerAuthentication,
  session: SMTPServerSession,
): Promise<SignedInSender> {
  const { failedSignIns, now, telemetry } = options
  const [apiUser = '', label] = (auth.username ?? '').split('#', 2)
  const limiterKey = `${session.remoteAddress} ${apiUser}`.slice(0, 320)
  if (failedSignIns.isExhausted(limiterKey, now())) throw createRefusalError('wrongKeys')
  const labelId = label === undefined ? null : /^\d{1,9}$/.test(label) ? Number(label) : -1
  const found = labelId === -1 || apiUser === '' || !auth.password ? null : await options.authenticate(apiUser, auth.password)
  if (found === null) {
    telemetry.log.warn({ peer: session.remoteAddress, apiUser: apiUser.slice(0, 64) }, 'submission sign-in failed')
    throw createRefusalError(failedSignIns.consume(limiterKey, now()) ? 'wrongKey' : 'wrongKeys')
  }
  return { ...found, labelId }
}

/** What our own sign-in has put there. */
function signedInSender({ user }: SMTPServerSession): SignedInSender | null {
  return typeof user === 'object' && user !== null && 'labelId' in user ? (user as unknown as SignedInSender) : null
}

const checkRecipient = ({ address }: SMTPServerAddress): Error | null =>
  normaliseAddress(address) === null ? createRefusalError('badRecipient') : null

type DataRequest = {
  readonly stream: SMTPServerDataStream
  readonly session: SMTPServerSession
  readonly done: (error: Error | null, words?: string) => void
}

async function handleData(state: ListenerState, options: SubmissionListenerOptions, data: DataRequest): Promise<void> {
  try {
    data.done(null, await receiveSubmission(state, options, data))
  } catch (error) {
    data.done(errorReplyFor(options, data.session, error))
  }
}

/** Reads the mail and hands it over; resolves to the words of our 250. */
async function receiveSubmission(
  state: ListenerState,
  options: SubmissionListenerOptions,
  { stream, session }: Omit<DataRequest, 'done'>,
): Promise<string> {
  const abort = (): void => state.openSessions.get(session.id)?.connection?.closeWith('stalled')
  const received = await readBody(stream, { maxBytes: options.limits.mailSize, budget: state.budget, now: options.now, onAborted: abort })
  try {
    const sender = signedInSender(session)
    if (received === null) throw createRefusalError('stalled')
    if (sender === null) throw createRefusalError('signIn')
    if (stream.sizeExceeded) return ''
    if (received.body.truncated) throw createRefusalError('submissionSize')
    const recipients = session.envelope.rcptTo.map(({ address }) => address)
    const message = parseSubmittedMessage(received.body.raw, { recipients, labelId: sender.labelId })
    if (!message.ok) throw createRefusalError(message.why)
    const submitter = { account: sender.account, apiUser: sender.apiUser, ip: session.remoteAddress }
    return `#${(await options.submit(submitter, message.submission)).messageId}#Queued`
  } finally {
    received?.release()
    state.busySessions.delete(session.id)
  }
}

/** Faults of the door behind us, by the refusal that says them. */
const REFUSAL_OF_FAULT: Readonly<Partial<Record<Fault['code'], RefusalName>>> = {
  bad_request: 'tooGrown',
  forbidden: 'notYourDomain',
  not_found: 'noLabel',
  quota_exceeded: 'quota',
}

function errorReplyFor({ telemetry }: SubmissionListenerOptions, session: SMTPServerSession, error: unknown): Error {
  if (error instanceof Error && 'responseCode' in error) return error
  const refusal = error instanceof Fault ? REFUSAL_OF_FAULT[error.code] : undefined
  if (refusal !== undefined) return createRefusalError(refusal)
  telemetry.log.error({ sessionId: session.id, err: error, retry: isRetryable(error) }, 'submission not taken')
  return createRefusalError('storeBusy')
}

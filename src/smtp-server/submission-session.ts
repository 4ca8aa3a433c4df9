/**
 * submission-session - the submission listener: senders authenticate and submit mail for our delivery queue
 *
 * Uses smtp-server/listener with the same time limits, line-ending rules and memory budget as the report listener. Only an authenticated
 * sender may submit. AUTH is offered under TLS, and without TLS to loopback only, unless a setting allows it. 250 is sent after the
 * commit, with SendCloud's text `#<messageId>#Queued`.
 *
 * RFC 6409, RFC 4954, RFC 4616. See also: smtp-server/submitted-message (parses the mail), service/submit/submit, docs/SENDING.md.
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
import { isLoopback } from '../net/peer-network.ts'
import type { SignInLimit, SignInRefusal } from '../net/sign-in-limit.ts'
import type { Caller } from '../service/caller.ts'
import type { Submission, SubmissionResult } from '../service/submit/submit.ts'
import { readBody } from './body-reader.ts'
import { startListener, type SmtpListener } from './listener.ts'
import type { CommonListenerOptions, ListenerState } from './listener-options.ts'
import { createRefusalError, type RefusalName } from './refusals.ts'
import { beginTransaction, smtpServerOptions } from './session-options.ts'
import { parseSubmittedMessage } from '../service/submit/submitted-message.ts'

type SubmissionListenerOptions = CommonListenerOptions & {
  /** Resolves to null when the apiUser or the apiKey is wrong. */
  readonly authenticate: (apiUser: string, apiKey: string) => Promise<{ readonly account: number; readonly apiUser: string } | null>
  readonly signInLimit: SignInLimit
  /** Offers AUTH without TLS to every peer. */
  readonly isPlaintextAuthAllowed: boolean
  readonly submit: (submitter: Caller, submission: Submission) => Promise<SubmissionResult>
}

/** The authenticated sender, as smtp-server's session carries it. */
type SignedInSender = { readonly account: number; readonly apiUser: string; readonly labelId: number | null }

const GAUGES = { connections: 'bounced_submission_connections', bodies: 'bounced_submission_body_bytes' } as const

/** Opens the submission listener. Resolves once it listens. Faults: config_invalid (proxyPeers). */
export function startSubmissionListener(options: SubmissionListenerOptions): Promise<SmtpListener> {
  const isAuthOffered = ({ address, isSecure }: { readonly address: string; readonly isSecure: boolean }): boolean =>
    isSecure || options.isPlaintextAuthAllowed || isLoopback(address)
  return startListener({ ...options, gauges: GAUGES, isAuthOffered, oversizeRefusal: 'submissionSize' }, (state) =>
    createSubmissionServer(state, options),
  )
}

function createSubmissionServer(state: ListenerState, options: SubmissionListenerOptions): SMTPServer {
  const server = new SMTPServer({
    ...smtpServerOptions(state, { banner: 'bounced submission', disabled: [] }),
    authMethods: ['PLAIN', 'LOGIN'],
    // `isAuthOffered` decides; smtp-server must not add a rule of its own.
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

const REFUSAL_OF_SIGN_IN = { name: 'wrongKeys', client: 'clientWrongKeys' } as const satisfies Record<SignInRefusal, RefusalName>

/** Checks the credentials. The user name is `apiUser` or `apiUser#labelId`. */
async function authenticate(
  options: SubmissionListenerOptions,
  auth: SMTPServerAuthentication,
  session: SMTPServerSession,
): Promise<SignedInSender> {
  const { signInLimit, now, telemetry } = options
  const [apiUser = '', label] = (auth.username ?? '').split('#', 2)
  const attempt = { address: session.remoteAddress, name: apiUser }
  const refusal = signInLimit.refusalOf(attempt, now())
  if (refusal !== null) throw createRefusalError(REFUSAL_OF_SIGN_IN[refusal])
  const labelId = label === undefined ? null : /^\d{1,9}$/.test(label) ? Number(label) : -1
  const found = labelId === -1 || apiUser === '' || !auth.password ? null : await options.authenticate(apiUser, auth.password)
  if (found === null) {
    telemetry.log.warn({ peer: session.remoteAddress, apiUser: apiUser.slice(0, 64) }, 'submission sign-in failed')
    const exceeded = signInLimit.countFailure(attempt, now())
    throw createRefusalError(exceeded === null ? 'wrongKey' : REFUSAL_OF_SIGN_IN[exceeded])
  }
  signInLimit.noteSuccess(attempt, now())
  telemetry.log.debug({ sessionId: session.id, account: found.account, labelId }, 'submission signed in')
  return { ...found, labelId }
}

/** Checked cast: `user` is what {@link handleAuth} has set, or undefined. */
function signedInSender({ user }: SMTPServerSession): SignedInSender | null {
  return typeof user === 'object' && user !== null && 'labelId' in user ? (user as unknown as SignedInSender) : null
}

const checkRecipient = ({ address }: SMTPServerAddress): Error | null =>
  normaliseAddress(address) === null ? createRefusalError('badRecipient') : null

type DataRequest = {
  readonly stream: SMTPServerDataStream
  readonly session: SMTPServerSession
  readonly done: (error: Error | null, text?: string) => void
}

async function handleData(state: ListenerState, options: SubmissionListenerOptions, data: DataRequest): Promise<void> {
  try {
    data.done(null, await receiveSubmission(state, options, data))
  } catch (error) {
    data.done(errorReplyFor(options, data.session, error))
  }
}

/** Reads the mail and submits it. Resolves to the text of the 250 reply. */
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
    // smtp-server answers 552 itself.
    if (stream.sizeExceeded) return ''
    if (received.body.truncated) throw createRefusalError('submissionSize')
    const recipients = session.envelope.rcptTo.map(({ address }) => address)
    options.telemetry.log.debug(
      { sessionId: session.id, size: received.body.size, recipients: recipients.length },
      'submission data received',
    )
    const message = parseSubmittedMessage(received.body.raw, { recipients, labelId: sender.labelId })
    if (!message.ok) throw createRefusalError(message.refusal)
    const submitter = { account: sender.account, apiUser: sender.apiUser, ip: session.remoteAddress }
    const { messageId } = await options.submit(submitter, message.submission)
    state.knownPeers.remember(session.remoteAddress, options.now())
    return `#${messageId}#Queued`
  } finally {
    received?.release()
    state.busySessions.delete(session.id)
  }
}

/** The refusal for each Fault of the submission service. Any other Fault is a temporary failure. */
const REFUSAL_OF_FAULT: Readonly<Partial<Record<Fault['code'], RefusalName>>> = {
  bad_request: 'tooGrown',
  header_invalid: 'sendHeader',
  forbidden: 'notYourDomain',
  not_found: 'noLabel',
  quota_exceeded: 'quota',
  insufficient_storage: 'disk',
}

function errorReplyFor({ telemetry }: SubmissionListenerOptions, session: SMTPServerSession, error: unknown): Error {
  if (error instanceof Error && 'responseCode' in error) return error
  const refusal = error instanceof Fault ? REFUSAL_OF_FAULT[error.code] : undefined
  if (refusal !== undefined) return createRefusalError(refusal)
  telemetry.log.error({ sessionId: session.id, err: error, retry: isRetryable(error) }, 'submission deferred')
  return createRefusalError('storeBusy')
}

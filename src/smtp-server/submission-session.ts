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
import { knowAddress } from '../correlate/address-hash.ts'
import { Fault, isRetryable } from '../errors.ts'
import type { Asker } from '../service/submit/register.ts'
import type { Submission, Submitted } from '../service/submit/submit.ts'
import { readBody } from './body-reader.ts'
import type { Door, DoorOptions } from './listener-options.ts'
import { readLetter } from './submitted-message.ts'
import { listenDoor, type SmtpListener } from './listener.ts'
import { refuse, type RefusalName } from './refusals.ts'
import { beginMail, speakerOptions } from './session-options.ts'

/** Counts wrong keys a minute. */
export type Failures = { readonly take: (key: string, now: number) => boolean; readonly isSpent: (key: string, now: number) => boolean }

export type SubmissionOptions = Omit<DoorOptions, 'gauges' | 'offersAuth' | 'tooLarge'> & {
  /** Null: the name or the key is wrong. */
  readonly signIn: (apiUser: string, apiKey: string) => Promise<{ readonly account: number; readonly apiUser: string } | null>
  readonly failures: Failures
  /** Lets AUTH go in plain sight from anywhere. */
  readonly isPlainAllowed: boolean
  readonly send: (by: Asker, call: Submission) => Promise<Submitted>
}

/** Who signed in, as the session carries it. */
type Signed = { readonly account: number; readonly apiUser: string; readonly labelId: number | null }

const GAUGES = { connections: 'bounced_submission_connections', bodies: 'bounced_submission_body_bytes' } as const

/** Opens the door; resolves once it listens. Faults: config_invalid (proxyPeers). */
export function listenSubmission(options: SubmissionOptions): Promise<SmtpListener> {
  const offersAuth: DoorOptions['offersAuth'] = ({ address, isSecure }) => isSecure || options.isPlainAllowed || isLoopback(address)
  return listenDoor({ ...options, gauges: GAUGES, offersAuth, tooLarge: 'submissionSize' }, (door) => createSpeaker(door, options))
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.')

function createSpeaker(door: Door, options: SubmissionOptions): SMTPServer {
  const server = new SMTPServer({
    ...speakerOptions(door, { banner: 'bounced submission', disabled: [] }),
    authMethods: ['PLAIN', 'LOGIN'],
    // Where it may not go in plain sight it is not offered at all.
    allowInsecureAuth: true,
    onAuth: (auth, session, done) => {
      void answerSignIn(options, { auth, session, done })
    },
    onMailFrom: (_address, session, done) => {
      done(signedIn(session) === null && !door.closing ? refuse('signIn') : beginMail(door, session))
    },
    onRcptTo: (address, _session, done) => done(rcptTo(address)),
    onData: (stream, session, done) => {
      void answerMail(door, options, { stream, session, done })
    },
  })
  server.on('error', (error) => options.telemetry.log.debug({ err: error }, 'submission connection failed'))
  return server
}

type SigningIn = {
  readonly auth: SMTPServerAuthentication
  readonly session: SMTPServerSession
  readonly done: (error: Error | null, response?: { readonly user: Signed }) => void
}

async function answerSignIn(options: SubmissionOptions, { auth, session, done }: SigningIn): Promise<void> {
  try {
    done(null, { user: await signIn(options, auth, session) })
  } catch (error) {
    done(answerFor(options, session, error))
  }
}

/** `apiUser` or `apiUser#labelId`. */
async function signIn(options: SubmissionOptions, auth: SMTPServerAuthentication, session: SMTPServerSession): Promise<Signed> {
  const { failures, now, telemetry } = options
  const [apiUser = '', label] = (auth.username ?? '').split('#', 2)
  const guesser = `${session.remoteAddress} ${apiUser}`.slice(0, 320)
  if (failures.isSpent(guesser, now())) throw refuse('wrongKeys')
  const labelId = label === undefined ? null : /^\d{1,9}$/.test(label) ? Number(label) : -1
  const found = labelId === -1 || apiUser === '' || !auth.password ? null : await options.signIn(apiUser, auth.password)
  if (found === null) {
    telemetry.log.warn({ peer: session.remoteAddress, apiUser: apiUser.slice(0, 64) }, 'submission sign-in failed')
    throw refuse(failures.take(guesser, now()) ? 'wrongKey' : 'wrongKeys')
  }
  return { ...found, labelId }
}

/** What our own sign-in has put there. */
function signedIn({ user }: SMTPServerSession): Signed | null {
  return typeof user === 'object' && user !== null && 'labelId' in user ? (user as unknown as Signed) : null
}

const rcptTo = ({ address }: SMTPServerAddress): Error | null => (knowAddress(address) === null ? refuse('badRecipient') : null)

type Data = {
  readonly stream: SMTPServerDataStream
  readonly session: SMTPServerSession
  readonly done: (error: Error | null, words?: string) => void
}

async function answerMail(door: Door, options: SubmissionOptions, data: Data): Promise<void> {
  try {
    data.done(null, await takeMail(door, options, data))
  } catch (error) {
    data.done(answerFor(options, data.session, error))
  }
}

/** Reads the mail and hands it over; resolves to the words of our 250. */
async function takeMail(door: Door, options: SubmissionOptions, { stream, session }: Omit<Data, 'done'>): Promise<string> {
  const end = (): void => door.open.get(session.id)?.connection?.end('stalled')
  const taken = await readBody(stream, { limit: options.limits.mailSize, budget: door.budget, now: options.now, end })
  try {
    const signed = signedIn(session)
    if (taken === null) throw refuse('stalled')
    if (signed === null) throw refuse('signIn')
    if (stream.sizeExceeded) return ''
    if (taken.body.truncated) throw refuse('submissionSize')
    const recipients = session.envelope.rcptTo.map(({ address }) => address)
    const letter = readLetter(taken.body.raw, { recipients, labelId: signed.labelId })
    if (!letter.ok) throw refuse(letter.why)
    const by = { account: signed.account, apiUser: signed.apiUser, ip: session.remoteAddress }
    return `#${(await options.send(by, letter.submission)).messageId}#Queued`
  } finally {
    taken?.release()
    door.busy.delete(session.id)
  }
}

/** Faults of the door behind us, by the refusal that says them. */
const SAID: Readonly<Partial<Record<Fault['code'], RefusalName>>> = {
  bad_request: 'tooGrown',
  forbidden: 'notYourDomain',
  not_found: 'noLabel',
  quota_exceeded: 'quota',
}

function answerFor({ telemetry }: SubmissionOptions, session: SMTPServerSession, error: unknown): Error {
  if (error instanceof Error && 'responseCode' in error) return error
  const said = error instanceof Fault ? SAID[error.code] : undefined
  if (said !== undefined) return refuse(said)
  telemetry.log.error({ sessionId: session.id, err: error, retry: isRetryable(error) }, 'submission not taken')
  return refuse('storeBusy')
}

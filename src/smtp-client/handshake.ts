/**
 * handshake - greeting, EHLO, STARTTLS and login: from a connected socket to a session that accepts mail
 *
 * After a refused EHLO, HELO is sent. With `opportunistic`, a refused STARTTLS leaves the session unencrypted, and after a failed TLS handshake the caller may
 * try the same host again without TLS. A password is never sent unencrypted unless TLS is `off`. Every failure becomes an outcome.
 *
 * RFC 5321 §3.1, §4.1.1.1, RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 8314 (implicit TLS). See also: smtp-client/client-session, smtp-client/login.
 */
import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { SmtpPhase } from '../ledger/decide/attempt-reading.ts'
import { NO_EXTENSIONS, parseExtensions, type SmtpExtensions } from './envelope.ts'
import { logIn } from './login.ts'
import { errorOutcome, outcomeOfReply } from './reply-outcome.ts'
import type { SmtpWire } from './smtp-wire.ts'
import type { NextHop, SmtpOutcome } from './transport.ts'

export type HandshakeOptions = {
  readonly nextHop: NextHop
  /** The name in EHLO. */
  readonly ehlo: string
  /** Do not use TLS, although the policy of the next hop is `opportunistic`. */
  readonly isWithoutTls: boolean
}

/** `canRetryWithoutTls`: TLS failed where it is optional, so that the same host may be tried without it. */
export type HandshakeFailure = { readonly kind: 'failed'; readonly outcome: SmtpOutcome; readonly canRetryWithoutTls: boolean }
type HandshakeResult = { readonly kind: 'ready'; readonly extensions: SmtpExtensions } | HandshakeFailure

/** Performs the handshake. Never rejects; after a failure the caller closes the wire. */
export async function performHandshake(wire: SmtpWire, options: HandshakeOptions): Promise<HandshakeResult> {
  const { nextHop } = options
  const mx = nextHop.name
  if (nextHop.implicitTls && !(await wire.startTls(tlsOptionsOf(nextHop), 'greeting')))
    return failure(errorOutcome('tls', closeTextOf(wire), mx))
  const greeting = await wire.readReply('greeting')
  if (greeting === null || !greeting.startsWith('220')) return replyFailure(wire, { reply: greeting, phase: 'greeting', mx })
  const hello = await sayHello(wire, options)
  const encrypted = hello.kind === 'failed' ? hello : await encrypt(wire, options, hello)
  if (encrypted.kind === 'failed' || nextHop.login === null) return encrypted
  if (!wire.isSecure() && nextHop.tls !== 'off') return loginFailure('the server offers no TLS, and a password is not sent unencrypted', mx)
  const refusal = await logIn(wire, nextHop.login, encrypted.extensions)
  return refusal === null ? encrypted : loginFailure(refusal, mx)
}

const mustEncrypt = ({ tls }: NextHop): boolean => tls === 'required' || tls === 'verified'

async function sayHello(wire: SmtpWire, { ehlo, nextHop }: HandshakeOptions): Promise<HandshakeResult> {
  wire.send(`EHLO ${ehlo}`)
  const reply = await wire.readReply('command')
  if (reply?.startsWith('2') === true) return { kind: 'ready', extensions: parseExtensions(reply) }
  const failed = replyFailure(wire, { reply, phase: 'ehlo', mx: nextHop.name })
  // HELO knows no STARTTLS.
  if (reply === null || wire.closeReason() !== null || (mustEncrypt(nextHop) && !wire.isSecure())) return failed
  wire.send(`HELO ${ehlo}`)
  const heloReply = await wire.readReply('command')
  if (heloReply?.startsWith('2') === true) return { kind: 'ready', extensions: NO_EXTENSIONS }
  return replyFailure(wire, { reply: heloReply, phase: 'ehlo', mx: nextHop.name })
}

/** STARTTLS if it is offered and wanted, and EHLO again: the capabilities from before TLS are void (RFC 3207 §4.2). */
async function encrypt(
  wire: SmtpWire,
  options: HandshakeOptions,
  clear: { readonly kind: 'ready'; readonly extensions: SmtpExtensions },
): Promise<HandshakeResult> {
  const { nextHop, isWithoutTls } = options
  const mx = nextHop.name
  if (wire.isSecure() || nextHop.tls === 'off' || isWithoutTls) return clear
  if (!clear.extensions.has('STARTTLS'))
    return mustEncrypt(nextHop) ? failure(errorOutcome('tls', 'the server does not offer STARTTLS', mx)) : clear
  const isOptional = nextHop.tls === 'opportunistic'
  wire.send('STARTTLS')
  const reply = await wire.readReply('command')
  if (reply?.startsWith('2') === true) {
    if (await wire.startTls(tlsOptionsOf(nextHop), 'command')) return sayHello(wire, options)
    return failure(errorOutcome('tls', closeTextOf(wire), mx), isOptional)
  }
  if (isOptional && reply !== null && wire.closeReason() === null) return clear
  const outcome = reply === null || reply.startsWith('5') ? null : outcomeOfReply(reply, 'starttls', mx)
  const text = reply === null ? closeTextOf(wire) : `the server refused STARTTLS: ${reply}`
  return failure(isRefusal(outcome) ? outcome : errorOutcome('tls', text, mx), isOptional)
}

/** Opportunistic TLS takes any certificate (RFC 7435). A name for SNI is never an address (RFC 6066 §3). */
const tlsOptionsOf = ({ name, tls }: NextHop): ConnectionOptions => ({
  host: name,
  ...(isIP(name) === 0 ? { servername: name } : {}),
  rejectUnauthorized: tls === 'verified',
})

const closeTextOf = (wire: SmtpWire): string => wire.closeReason()?.text ?? 'the connection was closed'

const failure = (outcome: SmtpOutcome, canRetryWithoutTls = false): HandshakeFailure => ({ kind: 'failed', outcome, canRetryWithoutTls })

/** A refused login is an error in our settings and does not concern the message. */
const loginFailure = (text: string, mx: string): HandshakeFailure => failure(errorOutcome('connect', `the login failed: ${text}`, mx))

const isRefusal = (outcome: SmtpOutcome | null): outcome is SmtpOutcome => outcome?.kind === 'reply' && outcome.code >= 400

type FailedReply = { readonly reply: string | null; readonly phase: SmtpPhase; readonly mx: string }

/** A 4xx or 5xx is the outcome; any other reply, or none, means that the host does not speak SMTP. */
function replyFailure(wire: SmtpWire, { reply, phase, mx }: FailedReply): HandshakeFailure {
  const outcome = reply === null ? null : outcomeOfReply(reply, phase, mx)
  if (isRefusal(outcome)) return failure(outcome)
  const isTimeout = reply === null && wire.closeReason()?.isTimeout === true
  const text = reply === null ? closeTextOf(wire) : `not an SMTP ${phase === 'greeting' ? 'greeting' : 'reply'}: ${reply.slice(0, 200)}`
  return failure(errorOutcome(isTimeout ? 'timeout' : 'connect', text, mx))
}

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
import type { Door, SmtpOptions } from './listener-options.ts'
import { refuse } from './refusals.ts'
import { answerPeer, beginMail, speakerOptions } from './session-options.ts'

/** Whose mail is taken, and where it goes. */
export type Taking = Pick<SmtpOptions, 'domains' | 'isRouted' | 'submit'>

/** The dialogue of the door for reports. */
export function createDialogue(door: Door, taking: Taking): SMTPServer {
  const server = new SMTPServer({
    ...speakerOptions(door, { banner: 'bounced', disabled: ['AUTH'] }),
    onMailFrom: (_address, session, done) => {
      void answerPeer(door, session, { done, otherwise: () => beginMail(door, session) })
    },
    onRcptTo: (address, session, done) => {
      void answerRcpt(door, { taking, address, session, done })
    },
    onData: (stream, session, done) => {
      void answerMail(door, { taking, stream, session, done })
    },
  })
  server.on('error', (error) => door.options.telemetry.log.debug({ err: error }, 'smtp connection failed'))
  return server
}

type Rcpt = {
  readonly taking: Taking
  readonly address: SMTPServerAddress
  readonly session: SMTPServerSession
  readonly done: (error?: Error | null) => void
}

async function answerRcpt(door: Door, { taking, address, session, done }: Rcpt): Promise<void> {
  try {
    done(await rcptTo(taking, address))
  } catch (error) {
    done(answerFor(door, session, error))
  }
}

/** `postmaster` without a domain is ours too (RFC 5321 §4.5.1). */
async function rcptTo(taking: Taking, address: SMTPServerAddress): Promise<Error | null> {
  const to = address.address.toLowerCase()
  const at = to.lastIndexOf('@')
  if (at < 0) return to === 'postmaster' ? null : refuse('relay')
  if (taking.domains.includes(to.slice(at + 1))) return null
  return (await taking.isRouted?.(to)) === true ? null : refuse('relay')
}

type Data = {
  readonly taking: Taking
  readonly stream: SMTPServerDataStream
  readonly session: SMTPServerSession
  readonly done: (error: Error | null, words?: string) => void
}

async function answerMail(door: Door, data: Data): Promise<void> {
  try {
    data.done(null, await takeMail(door, data))
  } catch (error) {
    data.done(answerFor(door, data.session, error))
  }
}

/** Reads the body and hands it over once a recipient; resolves to the words of our 250. */
async function takeMail(door: Door, { taking, stream, session }: Data): Promise<string> {
  const { options, budget } = door
  const { mailFrom: from, rcptTo: recipients } = session.envelope
  const sender = from === false ? '' : from.address
  const to = recipients.map((each) => each.address)
  const end = (): void => door.open.get(session.id)?.connection?.end('stalled')
  const taken = await readBody(stream, { limit: options.limits.mailSize, budget, now: options.now, end })
  try {
    if (taken === null) throw refuse('stalled')
    if (stream.sizeExceeded) return ''
    const receivedAt = options.now()
    const common = {
      ...taken.body,
      peer: session.remoteAddress,
      helo: session.hostNameAppearsAs || null,
      at: receivedAt,
      receivedAt,
      source: 'smtp',
      trustAs: null,
    } as const
    await Promise.all(to.map((recipient) => taking.submit({ ...common, envelope: { from: sender, to: recipient }, sessionId: session.id })))
    return `2.6.0 taken, ${session.id}`
  } finally {
    taken?.release()
    door.busy.delete(session.id)
  }
}

function answerFor(door: Door, session: SMTPServerSession, error: unknown): Error {
  if (error instanceof Error && 'responseCode' in error) return error
  const { telemetry } = door.options
  telemetry.count('bounced_mails_deferred_total')
  telemetry.log.error({ sessionId: session.id, err: error, retry: isRetryable(error) }, 'smtp mail not taken')
  return refuse('storeBusy')
}

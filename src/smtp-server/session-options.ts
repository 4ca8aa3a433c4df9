/**
 * session-options - what the dialogues of both SMTP doors have in common: smtp-server's options, and when a mail may begin
 *
 * The listening is ours (smtp-server/listener): smtp-server speaks the dialogue, its own listener is never opened.
 *
 * See also: smtp-server/report-session (reports), smtp-server/submission-session (mail to send).
 */
import type { SMTPServerOptions, SMTPServerSession } from 'smtp-server'
import { forget, type Door } from './listener-options.ts'
import { refuse } from './refusals.ts'

/** What nobody may say, beside what a door adds. */
const DISABLED = ['XCLIENT', 'XFORWARD', 'WIZ', 'SHELL', 'KILL'] as const

/** smtp-server's options of a door that says so in its banner and knows no `disabled` commands. */
export function speakerOptions(
  door: Door,
  { banner, disabled }: { readonly banner: string; readonly disabled: readonly string[] },
): SMTPServerOptions {
  const { limits, tls, hostname } = door.options
  return {
    name: hostname,
    banner,
    size: limits.advertisedSize,
    rejectOversized: true,
    hideENHANCEDSTATUSCODES: false,
    authOptional: true,
    disabledCommands: [...disabled, ...DISABLED, ...(tls === null ? ['STARTTLS'] : [])],
    disableReverseLookup: true,
    lenientAddressParsing: true,
    maxRecipients: limits.recipientsPerMail,
    maxCommandLength: limits.commandLength,
    maxAllowedUnauthenticatedCommands: false,
    socketTimeout: limits.idleTimeout,
    logger: false,
    ...tls,
    onConnect: (session, done) => {
      void answerPeer(door, session, { done, otherwise: () => (door.closing ? refuse('closing') : null) })
    },
    onClose: (session) => forget(door, session.id),
  }
}

type Answering = { readonly done: (error?: Error | null) => void; readonly otherwise: () => Error | null }

/** A peer that is cut off hears so. Where nobody can say, it is not: the store's own trouble is told at its mail. */
export async function answerPeer({ options }: Door, { remoteAddress }: SMTPServerSession, { done, otherwise }: Answering): Promise<void> {
  const isCut = await options.isCut?.(remoteAddress).catch(() => false)
  done(isCut === true ? refuse('cut') : otherwise())
}

/** Why a session may not begin a mail, or null: it has begun, and the session is busy until {@link forget} or its answer. */
export function beginMail(door: Door, session: SMTPServerSession): Error | null {
  const { limits, now } = door.options
  if (door.closing) return refuse('closing')
  if (session.transaction > limits.mailsPerConnection) return refuse('mails')
  if (!door.budget.hasRoom()) return refuse('budget')
  const why = door.peers.mail(session.remoteAddress, now())
  if (why !== null) return refuse(why)
  door.busy.add(session.id)
  return null
}

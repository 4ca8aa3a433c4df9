/**
 * session-options - what the dialogues of both SMTP doors have in common: smtp-server's options, and when a mail may begin
 *
 * The listening is ours (smtp-server/listener): smtp-server speaks the dialogue, its own listener is never opened.
 *
 * See also: smtp-server/report-session (reports), smtp-server/submission-session (mail to send).
 */
import type { SMTPServerOptions, SMTPServerSession } from 'smtp-server'
import { removeSession, type ListenerState } from './listener-options.ts'
import { createRefusalError } from './refusals.ts'

/** What nobody may say, beside what a door adds. */
const DISABLED_COMMANDS = ['XCLIENT', 'XFORWARD', 'WIZ', 'SHELL', 'KILL'] as const

/** smtp-server's options of a door that says so in its banner and knows no `disabled` commands. */
export function smtpServerOptions(
  state: ListenerState,
  { banner, disabled }: { readonly banner: string; readonly disabled: readonly string[] },
): SMTPServerOptions {
  const { limits, tls, hostname } = state.options
  return {
    name: hostname,
    banner,
    size: limits.advertisedSize,
    rejectOversized: true,
    hideENHANCEDSTATUSCODES: false,
    authOptional: true,
    disabledCommands: [...disabled, ...DISABLED_COMMANDS, ...(tls === null ? ['STARTTLS'] : [])],
    disableReverseLookup: true,
    lenientAddressParsing: true,
    maxRecipients: limits.recipientsPerMail,
    maxCommandLength: limits.commandLength,
    maxAllowedUnauthenticatedCommands: false,
    socketTimeout: limits.idleTimeoutMs,
    logger: false,
    ...tls,
    onConnect: (session, done) => {
      void refuseBlockedPeer(state, session, { done, otherwiseReply: () => (state.isClosing ? createRefusalError('closing') : null) })
    },
    onClose: (session) => removeSession(state, session.id),
  }
}

type PeerCheck = { readonly done: (error?: Error | null) => void; readonly otherwiseReply: () => Error | null }

/** A peer that is cut off hears so. Where nobody can say, it is not: the store's own trouble is told at its mail. */
export async function refuseBlockedPeer(
  { options }: ListenerState,
  { remoteAddress }: SMTPServerSession,
  { done, otherwiseReply }: PeerCheck,
): Promise<void> {
  const isBlocked = await options.isBlocked?.(remoteAddress).catch(() => false)
  done(isBlocked === true ? createRefusalError('cut') : otherwiseReply())
}

/** Why a session may not begin a mail, or null: it has begun, and the session is busy until {@link removeSession} or its answer. */
export function beginTransaction(state: ListenerState, session: SMTPServerSession): Error | null {
  const { limits, now } = state.options
  if (state.isClosing) return createRefusalError('closing')
  if (session.transaction > limits.mailsPerConnection) return createRefusalError('mails')
  if (!state.budget.isBelowSoftLimit()) return createRefusalError('budget')
  const refusal = state.peers.admitMail(session.remoteAddress, now())
  if (refusal !== null) return createRefusalError(refusal)
  state.busySessions.add(session.id)
  return null
}

/**
 * session-options - the options and checks that the sessions of both SMTP listeners share
 *
 * smtp-server executes the commands of a session. Its own listener is never opened: smtp-server/listener accepts the connections.
 *
 * See also: smtp-server/report-session, smtp-server/submission-session.
 */
import type { SMTPServerOptions, SMTPServerSession } from 'smtp-server'
import { removeSession, type ListenerState } from './listener-options.ts'
import { createRefusalError } from './refusals.ts'

/** Commands that are disabled on both listeners. XCLIENT and XFORWARD would let a client choose the peer address that we record. */
const DISABLED_COMMANDS = ['XCLIENT', 'XFORWARD', 'WIZ', 'SHELL', 'KILL'] as const

/** Returns smtp-server's options. `banner` is the text of the greeting; `disabled` adds to the disabled commands. */
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
    onClose: (session) => {
      state.options.telemetry.log.debug({ sessionId: session.id }, 'smtp session closed')
      state.options.telemetry.trace.publish('smtp.closed', { peer: session.remoteAddress, sessionId: session.id })
      removeSession(state, session.id)
    },
  }
}

type PeerCheck = { readonly done: (error?: Error | null) => void; readonly otherwiseReply: () => Error | null }

/** Refuses a peer that an operator has blocked. A peer counts as not blocked when the store is unreachable: its mail gets 451 later. */
export async function refuseBlockedPeer(
  { options }: ListenerState,
  { remoteAddress }: SMTPServerSession,
  { done, otherwiseReply }: PeerCheck,
): Promise<void> {
  const isBlocked = await options.isBlocked?.(remoteAddress).catch(() => false)
  done(isBlocked === true ? createRefusalError('cut') : otherwiseReply())
}

/**
 * Begins a mail. Returns the refusal when a limit forbids it. Otherwise returns null, and the session counts as busy until its mail has
 * been answered or {@link removeSession} is called.
 */
export function beginTransaction(state: ListenerState, session: SMTPServerSession): Error | null {
  const { limits, now } = state.options
  if (state.isClosing) return createRefusalError('closing')
  if (session.transaction > limits.mailsPerConnection) return createRefusalError('mails')
  if (!state.budget.isBelowSoftLimit()) return createRefusalError('budget')
  if (state.options.isDiskLow?.() === true) return createRefusalError('disk')
  const { remoteAddress: peer } = session
  if (!state.isExemptPeer(peer) && !state.mailsByPeer.consume(peer, now())) return createRefusalError('peerMails')
  state.busySessions.add(session.id)
  return null
}

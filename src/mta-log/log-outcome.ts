/**
 * log-outcome - what one line of an MTA's log says about a mail in that MTA's queue
 *
 * Every format gives this form. What a line does not say is null; a later step joins the lines of one queue id.
 *
 * Pure. See also: mta-log/log-formats (the parsers), mta-log/queue-join (joins the lines), docs/FOLLOW.md.
 */
import type { DialogueError } from '../ledger/facts/delivery-facts.ts'

/**
 * `received`: a new mail takes the queue id. `named`: the sender or the Message-ID of a mail in the queue. `expired`: the MTA gives up; without a
 * recipient, for all that are open. `removed`: the queue id is free again.
 */
export const LOG_EVENTS = ['received', 'named', 'sent', 'deferred', 'bounced', 'expired', 'removed'] as const
export type LogEvent = (typeof LOG_EVENTS)[number]

/** `socket`: LMTP or SMTP to a Unix socket. `pipe`: a command. `local`: a mailbox of the MTA's own host. */
export type LogRelay = {
  readonly kind: 'host' | 'socket' | 'pipe' | 'local'
  /** The host name in lower case, or the name of the transport; null: only the address is known. */
  readonly name: string | null
  readonly ip: string | null
}

export type LogOutcome = {
  readonly event: LogEvent
  /** Epoch ms; null: the line has no time. */
  readonly time: number | null
  /** The host that wrote the line; null: the line does not say. */
  readonly host: string | null
  readonly queueId: string
  /** '' is the null sender. */
  readonly sender: string | null
  readonly recipient: string | null
  /** The recipient before aliases and rewriting. */
  readonly origTo: string | null
  /** How many recipients the mail has in this queue. */
  readonly recipientCount: number | null
  readonly relay: LogRelay | null
  /** The code of the remote server's reply. */
  readonly code: number | null
  /** The enhanced status, as the MTA gives it. */
  readonly dsn: string | null
  /** The remote server's reply; without one, what the MTA says happened. */
  readonly text: string
  /** Why there was no reply. */
  readonly error: DialogueError | null
  /** Without angle brackets. */
  readonly messageId: string | null
  /** The queue id at the next server. */
  readonly queuedAs: string | null
  readonly egressIp: string | null
  /** The number of the attempt. */
  readonly attempt: number | null
}

/** A longer line is nonsense, or a mail that somebody wrote into a log. */
export const MAX_LOG_LINE_LENGTH = 16_384

/** An outcome of which only the event and the queue id are known. */
export function createLogOutcome(event: LogEvent, queueId: string): LogOutcome {
  return {
    event,
    time: null,
    host: null,
    queueId,
    sender: null,
    recipient: null,
    origTo: null,
    recipientCount: null,
    relay: null,
    code: null,
    dsn: null,
    text: '',
    error: null,
    messageId: null,
    queuedAs: null,
    egressIp: null,
    attempt: null,
  }
}

/**
 * incoming-mail - one received mail, as SMTP, LMTP, a pipe, a mailbox, replay and events of other senders pass it on
 *
 * All sources produce the same value, which only `source` tells apart.
 *
 * See also: smtp-server/listener, import/replay, service/receive/receive.
 */
import { hash } from 'node:crypto'
import { oncePerData } from './once-per-data.ts'

export type IncomingMail = {
  /** The DATA bytes; only the first {@link TRUNCATED_MAIL_BYTES} of a mail over the size limit. The recipients of one DATA share the object. */
  readonly raw: Uint8Array
  /** The size of the received mail in bytes; larger than `raw` if truncated. */
  readonly size: number
  readonly truncated: boolean
  /** SHA-256 of all DATA bytes, hex. */
  readonly dataDigest: string
  readonly envelope: { readonly from: string; readonly to: string }
  readonly peer: string | null
  readonly helo: string | null
  /** When the mail was first received (epoch ms). Differs from `receivedAt` only in replays. */
  readonly at: number
  readonly receivedAt: number
  readonly source: 'smtp' | 'lmtp' | 'pipe' | 'imap' | 'replay' | 'event'
  /** `operator`: an operator vouches for the mail, so that it needs no DKIM signature. Creates an audit fact. */
  readonly trustAs: 'operator' | null
  /** Follows the mail from the SMTP session through all log lines. */
  readonly sessionId: string
}

/** How much of a mail over the size limit is kept, in bytes: enough for the headers and the report parts. */
export const TRUNCATED_MAIL_BYTES = 1_048_576

/** Identifies a report: SHA-256 over the digest of the DATA bytes and the envelope recipient, hex. Detects a mail that arrives twice. */
export function reportDigest(dataDigest: string, recipient: string): string {
  return hash('sha256', `${dataDigest}\n${recipient.toLowerCase()}`)
}

/**
 * Identifies the kept bytes: SHA-256 of `raw`, hex. Mails with the same bytes share them in the store. It is not `dataDigest`, which covers
 * the bytes as they arrived: with other line endings, and all of a mail that was truncated.
 */
export const contentDigestOf = oncePerData(({ raw }: Pick<IncomingMail, 'raw'>): string => hash('sha256', raw))

/**
 * mailbox-mail - a mail of a mailbox as a received mail
 *
 * A mailbox keeps neither the peer nor the envelope. So there is no SPF, and the envelope is that of Return-Path and Delivered-To. The server's own time of
 * arrival decides when the mail was received. An Authentication-Results field is not read: anybody can write one.
 *
 * Pure. See also: import/recovered-envelope, service/receive/receive, docs/RECEIVING.md (what is trusted).
 */
import { hash } from 'node:crypto'
import { recoverEnvelope } from '../import/recovered-envelope.ts'
import { parseReport } from '../mail/report-parser.ts'
import { TRUNCATED_MAIL_BYTES, type IncomingMail } from '../service/receive/incoming-mail.ts'
import { normaliseLineEndings } from '../smtp-server/line-endings.ts'
import type { FetchedMail } from './imap-session.ts'

/**
 * How much of a mail is asked for: all of it, or as much as is kept of a mail that is too large. `size` is what the server says, and some servers say less
 * than they send, so it limits nothing: one byte more than is kept whole shows that a mail is larger.
 */
export const bytesToFetch = (size: number, maxMailBytes: number): number => (size > maxMailBytes ? TRUNCATED_MAIL_BYTES : maxMailBytes + 1)

/** IMAP dates have whole seconds. The end of the second is used, so that no bounce is older than the mail that it is about. */
const DATE_PRECISION_MS = 999

type MailboxMailOptions = {
  /** The size that the server states. */
  readonly size: number
  readonly maxMailBytes: number
  /** Our domains: an address at one of them is preferred as the recipient. */
  readonly domains: readonly string[]
  readonly sessionId: string
  readonly now: number
}

/** Converts a fetched mail. Total. The same bytes give the same digest in every session. */
export function incomingMailOf({ raw: fetched, internalDate }: FetchedMail, options: MailboxMailOptions): IncomingMail {
  const { maxMailBytes, domains, sessionId, now } = options
  const size = Math.max(options.size, fetched.length)
  const truncated = size > maxMailBytes
  const raw = truncated ? fetched.subarray(0, TRUNCATED_MAIL_BYTES) : fetched
  const { from, to } = recoverEnvelope(raw, domains)
  return {
    raw: normaliseLineEndings(raw),
    size: truncated ? size : raw.length,
    truncated,
    dataDigest: truncated ? hash('sha256', Buffer.concat([raw, Buffer.from(` ${size}`)])) : hash('sha256', raw),
    envelope: { from, to },
    peer: null,
    helo: null,
    at: internalDate === null ? now : Math.min(internalDate + DATE_PRECISION_MS, now),
    receivedAt: now,
    source: 'imap',
    trustAs: null,
    sessionId,
  }
}

/** Whether a mail is a report, an answer of a program, or a request to unsubscribe. Total. */
export const isReport = ({ raw }: Pick<IncomingMail, 'raw'>): boolean => !['other', 'unreadable'].includes(parseReport(raw).kind)

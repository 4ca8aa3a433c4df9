/**
 * report - any mail as one Report: what kind it is, whom it speaks of, what it quotes
 *
 * Promises: total (any bytes give a Report), pure, bounded in time and memory. What is absent is null.
 * See also: mail/mime/mime (structure), mail/dsn/dsn (RFC 3464), mail/feedback/arf (RFC 5965), mail/freeform/formats (free-form bounces).
 */
import { isAggregateReport } from './feedback/dmarc-report.ts'
import { isAutoReply } from './feedback/auto-reply.ts'
import { readComplaint, readJmrpForm } from './feedback/complaint.ts'
import { parseDate } from './mime/date.ts'
import { readDelivery, readNotice } from './dsn/delivery-report.ts'
import { isReceipt } from './feedback/mdn.ts'
import { openMail } from './parsed-message.ts'
import type { Finding, Opened } from './parsed-message.ts'
import type { Reply } from './smtp/reply.ts'
import { addressesOf, messageIdOf } from './dsn/original-message.ts'
import { isUnsubscribe } from './feedback/unsubscribe.ts'

/** What a mail that came to us can be. `delay` and `delivered` are reports without any failed recipient. */
export const REPORT_KINDS = [
  'bounce',
  'delay',
  'delivered',
  'complaint',
  'not-spam',
  'auth-failure',
  'auto-reply',
  'unsubscribe',
  'mdn',
  'other',
  'unreadable',
] as const
export type ReportKind = (typeof REPORT_KINDS)[number]

/** RFC 3464 §2.3.3. */
export type Action = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded'

/** One recipient group of a delivery report, or one address–diagnostic pair of a free-form bounce. */
export type RecipientReport = {
  /** Final-Recipient, or the address that the text names; bare (`local@domain`), domain lower case. Null: the report names nobody. */
  readonly recipient: string | null
  /** Original-Recipient (RFC 3461 ORCPT), xtext decoded, bare. */
  readonly originalRecipient: string | null
  readonly action: Action
  /** The report's own Status field. Exim, sendmail and others make it up: see `reply` first. */
  readonly status: string | null
  /** What the remote server said, the last remote answer where there are several. */
  readonly reply: Reply
  /** Where `reply` was read: Diagnostic-Code, the human text, or nowhere. */
  readonly replyFrom: 'diagnostic' | 'text' | 'none'
  /** Who said it: Remote-MTA, or the host that the text names before the reply; lower case. */
  readonly remoteMta: string | null
  /** Every word about this recipient that a rule may read (diagnostic and surrounding text), one line, at most 2,048 characters. */
  readonly text: string
  /** Will-Retry-Until and Last-Attempt-Date as epoch milliseconds: a delay's dedup key. */
  readonly lastAttemptAt: number | null
  readonly willRetryUntil: number | null
}

/** ARF and its relatives (JMRP's plain form, CFBL, XARF), in ARF's words (RFC 5965 §3). */
export type Complaint = {
  readonly dress: 'arf' | 'jmrp' | 'xarf'
  /** Lower case: abuse, fraud, virus, other, not-spam, auth-failure, opt-out, opt-out-list, or a type nobody has registered. */
  readonly feedbackType: string
  readonly userAgent: string | null
  readonly version: string | null
  readonly originalMailFrom: string | null
  readonly originalRcptTo: readonly string[]
  readonly arrivalAt: number | null
  readonly sourceIp: string | null
  readonly incidents: number
  readonly reportedDomains: readonly string[]
  /** Every field as it stood, unknown ones too; names lower case. */
  readonly fields: Readonly<Record<string, string>>
}

/** The mail that came back, as far as it came back. `headers`: names lower case, values unfolded and decoded; the first of a name wins. */
export type ReturnedMail = {
  readonly headers: Readonly<Record<string, string>>
  readonly messageId: string | null
  readonly returnPath: string | null
  readonly from: string | null
  readonly to: readonly string[]
  readonly subject: string | null
  readonly at: number | null
}

export type Report = {
  readonly kind: ReportKind
  /** The row of mail/freeform/formats (or dsn, arf, …) that read it. */
  readonly format: string
  readonly recipients: readonly RecipientReport[]
  readonly complaint: Complaint | null
  readonly returned: ReturnedMail | null
  /** Original-Envelope-Id (RFC 3461 ENVID), xtext decoded. */
  readonly envelopeId: string | null
  readonly reportingMta: string | null
  /** The report's own headers, as in `returned`. */
  readonly headers: Readonly<Record<string, string>>
  readonly from: string | null
  readonly to: readonly string[]
  readonly subject: string | null
  readonly messageId: string | null
  readonly at: number | null
  /** The human part as text, at most 8,192 characters, for the operator. */
  readonly text: string
  /** What was odd about the bytes (caps that were met, boundaries that lied, charsets nobody knows), one short line each. */
  readonly oddities: readonly string[]
}

/** The human part that an operator is shown. */
const MAX_SHOWN = 8_192
/** A gateway wraps a report once, rarely twice. */
const MAX_NESTING = 2

/**
 * Reads any mail that came to a return path or a feedback address. Total, pure, bounded.
 *
 *     parseReport(bytes).kind → 'bounce'
 */
export function parseReport(raw: Uint8Array): Report {
  return readMail(raw, 0)
}

function readMail(raw: Uint8Array, nesting: number): Report {
  const mail = openMail(raw, (inner) => (nesting < MAX_NESTING ? readMail(inner, nesting + 1) : null))
  const base = baseOf(mail)
  for (const read of READERS) {
    const found = read(mail)
    if (found !== null) return { ...base, ...found }
  }
  return base
}

function baseOf(mail: Opened): Report {
  const { headers, pieces } = mail
  const date = headers['date']
  return {
    kind: 'other',
    format: 'none',
    recipients: [],
    complaint: null,
    returned: mail.returned,
    envelopeId: null,
    reportingMta: null,
    headers,
    from: mail.from,
    to: mail.to,
    subject: headers['subject'] ?? null,
    messageId: messageIdOf(headers['message-id']),
    at: date === undefined ? null : parseDate(date),
    text: mail.words.slice(0, MAX_SHOWN),
    oddities: pieces.mime.oddities,
  }
}

/** The first that recognises the mail decides; the most explicit kinds stand first. */
const READERS: readonly ((mail: Opened) => Finding | null)[] = [
  readNothing,
  readComplaint,
  readMdn,
  readNotice,
  readDelivery,
  readJmrpForm,
  readAuthReport,
  readUnsubscribe,
  readAnswer,
]

function readNothing(mail: Opened): Finding | null {
  const { root, latin1 } = mail.pieces.mime
  if (root.headers.fields.length > 0) return null
  const isEmpty = mail.words === '' && mail.pieces.returned === null
  return isEmpty || isBinary(latin1.slice(0, 2_000)) ? { kind: 'unreadable', format: isEmpty ? 'empty' : 'binary' } : null
}

/** Bytes that no text has, one in ten. */
function isBinary(bytes: string): boolean {
  let odd = 0
  for (let at = 0; at < bytes.length; at++) {
    const code = bytes.charCodeAt(at)
    if (code < 0x09 || (code > 0x0d && code < 0x1b) || code === 0x7f || code === 0xff) odd++
  }
  return odd * 10 > bytes.length
}

function readMdn(mail: Opened): Finding | null {
  const isMdn = isReceipt({
    reportType: mail.reportType,
    disposition: mail.pieces.disposition,
    subject: mail.subject,
    words: mail.words.slice(0, 2_048),
  })
  return isMdn ? { kind: 'mdn', format: 'mdn' } : null
}

function readAuthReport(mail: Opened): Finding | null {
  return isAggregateReport(mail.subject, mail.pieces.files) ? { kind: 'auth-failure', format: 'dmarc' } : null
}

function readUnsubscribe(mail: Opened): Finding | null {
  const to = [...mail.to, ...addressesOf(mail.headers['delivered-to'])]
  return isUnsubscribe({ headers: mail.headers, subject: mail.subject, words: mail.words, to })
    ? { kind: 'unsubscribe', format: 'mailto' }
    : null
}

function readAnswer(mail: Opened): Finding | null {
  return isAutoReply({ headers: mail.headers, subject: mail.subject, words: mail.words }) ? { kind: 'auto-reply', format: 'rfc3834' } : null
}

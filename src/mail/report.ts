/**
 * report - any mail as one Report: what kind it is, whom it speaks of, what it quotes
 *
 * Promises: total (any bytes give a Report), pure, bounded in time and memory. What is absent is null.
 * See also: mail/mime/mime (structure), mail/dsn/dsn (RFC 3464), mail/feedback/arf (RFC 5965), mail/freeform/formats (free-form bounces).
 */
import { isDmarcAggregateReport } from './feedback/dmarc-report.ts'
import { isAutoReply } from './feedback/auto-reply.ts'
import { readComplaintReport, readJmrpComplaint } from './feedback/complaint.ts'
import { parseDate } from './mime/date.ts'
import { readDeliveryReport, readProviderEventReport } from './dsn/delivery-report.ts'
import { isReadReceipt } from './feedback/mdn.ts'
import { parseMessage } from './parsed-message.ts'
import type { ReportFinding, ParsedMessage } from './parsed-message.ts'
import type { SmtpReply } from './smtp/reply.ts'
import { parseFieldAddresses, parseMessageId } from './dsn/original-message.ts'
import { isUnsubscribeRequest } from './feedback/unsubscribe.ts'

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
export type DsnAction = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded'

/** One recipient group of a delivery report, or one address–diagnostic pair of a free-form bounce. */
export type RecipientReport = {
  /** Final-Recipient, or the address that the text names; bare (`local@domain`), domain lower case. Null: the report names nobody. */
  readonly recipient: string | null
  /** Original-Recipient (RFC 3461 ORCPT), xtext decoded, bare. */
  readonly originalRecipient: string | null
  readonly action: DsnAction
  /** The report's own Status field. Exim, sendmail and others make it up: see `reply` first. */
  readonly status: string | null
  /** What the remote server said, the last remote answer where there are several. */
  readonly reply: SmtpReply
  /** Where `reply` was read: Diagnostic-Code, the human text, or nowhere. */
  readonly replySource: 'diagnostic' | 'text' | 'none'
  /** Who said it: Remote-MTA, or the host that the text names before the reply; lower case. */
  readonly remoteMta: string | null
  /** Every word about this recipient that a rule may read (diagnostic and surrounding text), one line, at most 2,048 characters. */
  readonly text: string
  /** Will-Retry-Until and Last-Attempt-Date as epoch milliseconds: a delay's dedup key. */
  readonly lastAttemptAt: number | null
  readonly willRetryUntil: number | null
}

/** ARF and its relatives (JMRP's plain form, CFBL, XARF), in ARF's words (RFC 5965 §3). */
export type ComplaintReport = {
  readonly format: 'arf' | 'jmrp' | 'xarf'
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
export type OriginalMessage = {
  readonly headers: Readonly<Record<string, string>>
  readonly messageId: string | null
  readonly returnPath: string | null
  readonly from: string | null
  readonly to: readonly string[]
  readonly subject: string | null
  readonly sentAt: number | null
}

export type Report = {
  readonly kind: ReportKind
  /** The row of mail/freeform/formats (or dsn, arf, …) that read it. */
  readonly format: string
  readonly recipients: readonly RecipientReport[]
  readonly complaint: ComplaintReport | null
  readonly originalMessage: OriginalMessage | null
  /** Original-Envelope-Id (RFC 3461 ENVID), xtext decoded. */
  readonly envelopeId: string | null
  readonly reportingMta: string | null
  /** The report's own headers, as in `returned`. */
  readonly headers: Readonly<Record<string, string>>
  readonly from: string | null
  readonly to: readonly string[]
  readonly subject: string | null
  readonly messageId: string | null
  readonly sentAt: number | null
  /** The human part as text, at most 8,192 characters, for the operator. */
  readonly text: string
  /** What was odd about the bytes (caps that were met, boundaries that lied, charsets nobody knows), one short line each. */
  readonly defects: readonly string[]
}

/** The human part that an operator is shown. */
const MAX_REPORT_TEXT = 8_192
/** A gateway wraps a report once, rarely twice. */
const MAX_ENCLOSED_DEPTH = 2

/**
 * Reads any mail that came to a return path or a feedback address. Total, pure, bounded.
 *
 *     parseReport(bytes).kind → 'bounce'
 */
export function parseReport(raw: Uint8Array): Report {
  return readAtDepth(raw, 0)
}

function readAtDepth(raw: Uint8Array, depth: number): Report {
  const message = parseMessage(raw, (enclosed) => (depth < MAX_ENCLOSED_DEPTH ? readAtDepth(enclosed, depth + 1) : null))
  const baseReport = createBaseReport(message)
  for (const read of READERS) {
    const finding = read(message)
    if (finding !== null) return { ...baseReport, ...finding }
  }
  return baseReport
}

function createBaseReport(message: ParsedMessage): Report {
  const { headers, parts } = message
  const date = headers['date']
  return {
    kind: 'other',
    format: 'none',
    recipients: [],
    complaint: null,
    originalMessage: message.originalMessage,
    envelopeId: null,
    reportingMta: null,
    headers,
    from: message.from,
    to: message.to,
    subject: headers['subject'] ?? null,
    messageId: parseMessageId(headers['message-id']),
    sentAt: date === undefined ? null : parseDate(date),
    text: message.bodyText.slice(0, MAX_REPORT_TEXT),
    defects: parts.mime.defects,
  }
}

/** The first that recognises the mail decides; the most explicit kinds stand first. */
const READERS: readonly ((message: ParsedMessage) => ReportFinding | null)[] = [
  readUnreadable,
  readComplaintReport,
  readReceipt,
  readProviderEventReport,
  readDeliveryReport,
  readJmrpComplaint,
  readDmarcReport,
  readUnsubscribeRequest,
  readAutoReply,
]

function readUnreadable(message: ParsedMessage): ReportFinding | null {
  const { root, latin1 } = message.parts.mime
  if (root.headers.fields.length > 0) return null
  const isEmpty = message.bodyText === '' && message.parts.originalHeaders === null
  return isEmpty || isBinary(latin1.slice(0, 2_000)) ? { kind: 'unreadable', format: isEmpty ? 'empty' : 'binary' } : null
}

/** Bytes that no text has, one in ten. */
function isBinary(bytes: string): boolean {
  let binaryCount = 0
  for (let at = 0; at < bytes.length; at++) {
    const code = bytes.charCodeAt(at)
    if (code < 0x09 || (code > 0x0d && code < 0x1b) || code === 0x7f || code === 0xff) binaryCount++
  }
  return binaryCount * 10 > bytes.length
}

function readReceipt(message: ParsedMessage): ReportFinding | null {
  const isMdn = isReadReceipt({
    reportType: message.reportType,
    disposition: message.parts.dispositionTexts,
    subject: message.subject,
    bodyText: message.bodyText.slice(0, 2_048),
  })
  return isMdn ? { kind: 'mdn', format: 'mdn' } : null
}

function readDmarcReport(message: ParsedMessage): ReportFinding | null {
  return isDmarcAggregateReport(message.subject, message.parts.attachments) ? { kind: 'auth-failure', format: 'dmarc' } : null
}

function readUnsubscribeRequest(message: ParsedMessage): ReportFinding | null {
  const to = [...message.to, ...parseFieldAddresses(message.headers['delivered-to'])]
  return isUnsubscribeRequest({ headers: message.headers, subject: message.subject, bodyText: message.bodyText, to })
    ? { kind: 'unsubscribe', format: 'mailto' }
    : null
}

function readAutoReply(message: ParsedMessage): ReportFinding | null {
  return isAutoReply({ headers: message.headers, subject: message.subject, bodyText: message.bodyText })
    ? { kind: 'auto-reply', format: 'rfc3834' }
    : null
}

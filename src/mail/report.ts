/**
 * report - the result of reading one mail: its kind, its recipients, the complaint, the returned message
 *
 * Types only. An absent value is null. See also: mail/report-parser (makes it).
 */
import type { SmtpReply } from './smtp/reply.ts'

/** What a mail that came to us can be. `delay` and `delivered` are reports without any failed recipient. */
const REPORT_KINDS = [
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

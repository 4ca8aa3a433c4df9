/**
 * report - the result of reading one mail: its kind, its recipients, the complaint, the returned message
 *
 * Types only. An absent value is null. See also: mail/report-parser (makes it).
 */
import type { TlsReport } from './feedback/tls-report.ts'
import type { SmtpReply } from './smtp/reply.ts'

/** The kinds of messages that arrive. `delay` and `delivered` are reports without a failed recipient. */
const REPORT_KINDS = [
  'bounce',
  'delay',
  'delivered',
  'complaint',
  'not-spam',
  'auth-failure',
  'tls-report',
  'auto-reply',
  'unsubscribe',
  'mdn',
  'other',
  'unreadable',
] as const
export type ReportKind = (typeof REPORT_KINDS)[number]

/** RFC 3464 §2.3.3. */
export type DsnAction = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded'

/** One recipient group of a delivery report, or one address with its diagnostic in a bounce written as prose. */
export type RecipientReport = {
  /** Final-Recipient, or the address in the text: bare (`local@domain`), domain lower case. Null if the report names no recipient. */
  readonly recipient: string | null
  /** Original-Recipient (RFC 3461 ORCPT), xtext decoded, bare. */
  readonly originalRecipient: string | null
  readonly action: DsnAction
  /** The report's own Status field. Exim, Sendmail and others make it up, so prefer the status in `reply`. */
  readonly status: string | null
  /** The reply of the remote server; the last one if there are several. */
  readonly reply: SmtpReply
  /** Where `reply` was found: Diagnostic-Code, the human-readable text, or nowhere. */
  readonly replySource: 'diagnostic' | 'text' | 'none'
  /** The server that sent the reply: Remote-MTA, or the host that the text names before the reply; lower case. */
  readonly remoteMta: string | null
  /** All text about this recipient for the rules (diagnostic and surrounding text): one line, at most 2,048 characters. */
  readonly text: string
  /** Will-Retry-Until and Last-Attempt-Date as epoch milliseconds. They are part of the dedup key of a delay. */
  readonly lastAttemptAt: number | null
  readonly willRetryUntil: number | null
}

/** A complaint in ARF or a related format (plain JMRP, CFBL, XARF), with the field names of ARF (RFC 5965 §3). */
export type ComplaintReport = {
  readonly format: 'arf' | 'jmrp' | 'xarf'
  /** Lower case: abuse, fraud, virus, other, not-spam, auth-failure, opt-out, opt-out-list, or an unregistered type. */
  readonly feedbackType: string
  readonly userAgent: string | null
  readonly version: string | null
  readonly originalMailFrom: string | null
  readonly originalRcptTo: readonly string[]
  readonly arrivalAt: number | null
  readonly sourceIp: string | null
  readonly incidents: number
  readonly reportedDomains: readonly string[]
  /** Every field as written, unknown ones included; names lower case. */
  readonly fields: Readonly<Record<string, string>>
}

/** A mail with a TLS report (RFC 8460). */
export type TlsReportMail = {
  /** The domain of the organization that reports: TLS-Report-Submitter, else that of the file name, else that of From. Anybody can write it. */
  readonly submitter: string | null
  /** The policy domain that the report is about: TLS-Report-Domain, else that of the file name, else that of the first policy. */
  readonly domain: string | null
  /** Null: the report cannot be read. */
  readonly content: TlsReport | null
}

/** The returned message, or its headers. `headers`: names lower case, values unfolded and decoded; the first field of a name wins. */
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
  /** The id of the layout that matched: a row of mail/freeform/formats, or rfc3464, arf, … */
  readonly format: string
  readonly recipients: readonly RecipientReport[]
  readonly complaint: ComplaintReport | null
  readonly tlsReport: TlsReportMail | null
  readonly originalMessage: OriginalMessage | null
  /**
   * Whether a person, a help desk or a gateway passed the report on, as an attachment or as text without its parts. It proves nothing about the mail
   * that it names, because whoever passed it on could have written it.
   */
  readonly isForwarded: boolean
  /** Original-Envelope-Id (RFC 3461 ENVID), xtext decoded. */
  readonly envelopeId: string | null
  readonly reportingMta: string | null
  /** The queue id that the reporting MTA gave the returned mail (X-Postfix-Queue-ID). */
  readonly queueId: string | null
  /** The report's own headers, in the same form as in OriginalMessage. */
  readonly headers: Readonly<Record<string, string>>
  readonly from: string | null
  readonly to: readonly string[]
  readonly subject: string | null
  readonly messageId: string | null
  readonly sentAt: number | null
  /** The human-readable text for operators, at most 8,192 characters. */
  readonly text: string
  /** Problems of the message structure (limits reached, wrong boundaries, unknown charsets), one short line each. */
  readonly defects: readonly string[]
}

/**
 * complaint - reads the complaint in a message, if there is one
 *
 * A gateway may remove the MIME structure of a feedback report. What is left is text, which anybody can write or quote: it is read for the inbox, like a
 * report that a person forwards.
 *
 * Pure, total. See also: mail/feedback/arf, mail/feedback/xarf, mail/feedback/provider-event (the formats), mail/report-parser (order of
 * readers).
 */
import { createEmptyComplaint, parseFeedbackReport, parseJmrp } from './arf.ts'
import { decodePartText } from '../mime/content.ts'
import type { ReportFinding, ParsedMessage } from '../parsed-message.ts'
import type { ComplaintReport, ReportKind } from '../report.ts'
import { parseXarf } from './xarf.ts'

/** Feedback types that are not complaints. */
const NON_COMPLAINT_KINDS: Readonly<Record<string, ReportKind>> = {
  'not-spam': 'not-spam',
  'auth-failure': 'auth-failure',
  dmarc: 'auth-failure',
  dkim: 'auth-failure',
}

/** Reads a complaint in any format but plain JMRP; null if there is none. Total. */
export function readComplaintReport(message: ParsedMessage): ReportFinding | null {
  // Discussions on a mailing list may quote the fields of a report.
  if (message.headers['list-id'] !== undefined && message.reportType !== 'feedback-report') return null
  const structured = message.parts.feedbackTexts[0]
  const text = structured ?? findFeedbackFields(message)
  if (text !== null) {
    const finding = toComplaintFinding(withOriginalRecipients(parseFeedbackReport(text), message), 'arf')
    return structured === undefined || isBareText(message) ? { ...finding, isForwarded: true } : withoutPastedOriginal(finding, message)
  }
  if (message.reportType === 'feedback-report')
    return withoutPastedOriginal(toComplaintFinding(withOriginalRecipients(createEmptyComplaint(), message), 'arf'), message)
  for (const attachment of message.parts.attachments) {
    if (!/json/.test(attachment.type) && !/json$/i.test(attachment.filename ?? '')) continue
    const complaint = parseXarf(decodePartText(message.parts.mime, attachment))
    if (complaint !== null) return toComplaintFinding(complaint, 'xarf')
  }
  return null
}

/** Whether the whole mail is one text. */
function isBareText({ parts }: ParsedMessage): boolean {
  const { type, children } = parts.mime.root
  return children.length === 0 && type === 'text/plain'
}

/** Fields of a feedback report that may name a mail of ours. */
const NAMING_FIELDS = ['original-mail-from', 'cfbl-feedback-id'] as const

/** A returned header that was pasted into text is no evidence: without it, the fields of the report count alone, if they name a mail. */
function withoutPastedOriginal(finding: ReportFinding, { parts }: ParsedMessage): ReportFinding {
  if (!parts.isOriginalPasted) return finding
  const isNamed = NAMING_FIELDS.some((name) => finding.complaint?.fields[name] !== undefined)
  return isNamed ? { ...finding, originalMessage: null } : { ...finding, isForwarded: true }
}

/** The fields of a feedback report inside text, if a gateway removed the MIME structure. */
function findFeedbackFields(message: ParsedMessage): string | null {
  if (!message.parts.lines.some((line) => isFeedbackType(line.text))) return null
  const at = message.bodyText.search(/^feedback-type[ \t]*:/im)
  if (at < 0) return null
  const start = Math.max(0, at - 1_024)
  const block = message.bodyText.slice(start, at + 8_192)
  return /^(?:user-agent|version|original-mail-from|arrival-date|source-ip|reported-domain|original-rcpt-to)[ \t]*:/im.test(block)
    ? block
    : null
}

function isFeedbackType(line: string): boolean {
  return (line.startsWith('F') || line.startsWith('f')) && /^feedback-type[ \t]*:/i.test(line)
}

/** The finding for a complaint; its kind follows from the feedback type. */
export function toComplaintFinding(complaint: ComplaintReport, format: string): ReportFinding {
  return { kind: NON_COMPLAINT_KINDS[complaint.feedbackType] ?? 'complaint', format, complaint }
}

/** Adds the recipients of the returned message if the report names none. */
function withOriginalRecipients(complaint: ComplaintReport, message: ParsedMessage): ComplaintReport {
  if (complaint.originalRcptTo.length > 0) return complaint
  const jmrp = parseJmrp(message.originalMessage?.headers ?? {}, null)
  return jmrp === null ? complaint : { ...complaint, originalRcptTo: jmrp.originalRcptTo }
}

/**
 * Reads a complaint in plain JMRP form. Runs after delivery reports, because a bounced message may contain the field of an earlier
 * complaint.
 */
export function readJmrpComplaint(message: ParsedMessage): ReportFinding | null {
  const complaint = parseJmrp(message.originalMessage?.headers ?? {}, message.subject) ?? parseJmrp(message.headers, null)
  return complaint === null ? null : { kind: 'complaint', format: 'jmrp', complaint, isForwarded: message.parts.isOriginalPasted }
}

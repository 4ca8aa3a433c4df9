/**
 * complaint - reads the complaint in a message, if there is one
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
  const text = message.parts.feedbackTexts[0] ?? findFeedbackFields(message)
  if (text !== null) return toComplaintFinding(withOriginalRecipients(parseFeedbackReport(text), message), 'arf')
  if (message.reportType === 'feedback-report') return toComplaintFinding(withOriginalRecipients(createEmptyComplaint(), message), 'arf')
  for (const attachment of message.parts.attachments) {
    if (!/json/.test(attachment.type) && !/json$/i.test(attachment.filename ?? '')) continue
    const complaint = parseXarf(decodePartText(message.parts.mime, attachment))
    if (complaint !== null) return toComplaintFinding(complaint, 'xarf')
  }
  return null
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
  return complaint === null ? null : { kind: 'complaint', format: 'jmrp', complaint }
}

/**
 * complaint - which complaint a mail brings, if any
 *
 * Pure, total. See also: mail/feedback/arf, mail/feedback/xarf, mail/feedback/provider-event (the dresses), mail/report (the order of readers).
 */
import { emptyFeedback, readFeedback, readJmrp } from './arf.ts'
import { textOf } from '../mime/content.ts'
import type { Finding, Opened } from '../parsed-message.ts'
import type { Complaint, ReportKind } from '../report.ts'
import { readXarf } from './xarf.ts'

/** Feedback types that are no complaint. */
const NO_COMPLAINT: Readonly<Record<string, ReportKind>> = {
  'not-spam': 'not-spam',
  'auth-failure': 'auth-failure',
  dmarc: 'auth-failure',
  dkim: 'auth-failure',
}

/** A feedback report in any dress but JMRP's. */
export function readComplaint(mail: Opened): Finding | null {
  // What people discuss on a list is no report, whatever fields they show each other.
  if (mail.headers['list-id'] !== undefined && mail.reportType !== 'feedback-report') return null
  const text = mail.pieces.feedback[0] ?? feedbackInWords(mail)
  if (text !== null) return complaintOf(fromReturned(readFeedback(text), mail), 'arf')
  if (mail.reportType === 'feedback-report') return complaintOf(fromReturned(emptyFeedback(), mail), 'arf')
  for (const file of mail.pieces.files) {
    if (!/json/.test(file.type) && !/json$/i.test(file.filename ?? '')) continue
    const complaint = readXarf(textOf(mail.pieces.mime, file))
    if (complaint !== null) return complaintOf(complaint, 'xarf')
  }
  return null
}

/** Fields of a feedback report among words, where a gateway took the MIME structure away. */
function feedbackInWords(mail: Opened): string | null {
  if (!mail.pieces.lines.some((line) => isFeedbackType(line.text))) return null
  const at = mail.words.search(/^feedback-type[ \t]*:/im)
  if (at < 0) return null
  const start = Math.max(0, at - 1_024)
  const block = mail.words.slice(start, at + 8_192)
  return /^(?:user-agent|version|original-mail-from|arrival-date|source-ip|reported-domain|original-rcpt-to)[ \t]*:/im.test(block)
    ? block
    : null
}

function isFeedbackType(line: string): boolean {
  return (line.startsWith('F') || line.startsWith('f')) && /^feedback-type[ \t]*:/i.test(line)
}

/** A complaint as what its type makes of it. */
export function complaintOf(complaint: Complaint, format: string): Finding {
  return { kind: NO_COMPLAINT[complaint.feedbackType] ?? 'complaint', format, complaint }
}

/** Who complained is often told by the returned mail alone: JMRP's field, or its one recipient. */
function fromReturned(complaint: Complaint, mail: Opened): Complaint {
  if (complaint.originalRcptTo.length > 0) return complaint
  const jmrp = readJmrp(mail.returned?.headers ?? {}, null)
  return jmrp === null ? complaint : { ...complaint, originalRcptTo: jmrp.originalRcptTo }
}

/** After delivery reports: a bounced mail may bear the field of an earlier complaint. */
export function readJmrpForm(mail: Opened): Finding | null {
  const complaint = readJmrp(mail.returned?.headers ?? {}, mail.subject) ?? readJmrp(mail.headers, null)
  return complaint === null ? null : { kind: 'complaint', format: 'jmrp', complaint }
}

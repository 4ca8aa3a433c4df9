/**
 * simulated-reports - the NDRs and complaints of simulated providers, as `mail/report` reads them
 *
 * Pure. See also: simulator/provider-model (when a report is sent), simulator/smtp/ndr-builder (the same as real mails).
 */
import type { RecipientReport, Report } from '../mail/report.ts'
import { parseReply } from '../mail/smtp/reply.ts'

/** An NDR about one recipient. `text` is the reply, code first. */
export function createNdrReport(
  recipient: string,
  { text, from, mx }: { readonly text: string; readonly from: string; readonly mx: string },
): Report {
  const reply = parseReply(text)
  const group: RecipientReport = {
    recipient,
    originalRecipient: null,
    action: 'failed',
    status: reply.status,
    reply,
    replySource: 'diagnostic',
    remoteMta: mx,
    text: reply.text,
    lastAttemptAt: null,
    willRetryUntil: null,
  }
  return { ...EMPTY_REPORT, kind: 'bounce', recipients: [group], from, subject: 'Undelivered Mail Returned to Sender' }
}

/** A complaint in ARF (RFC 5965). */
export function createComplaintReport(recipient: string, { from, ip }: { readonly from: string; readonly ip: string }): Report {
  const complaint = {
    format: 'arf',
    feedbackType: 'abuse',
    userAgent: null,
    version: '1',
    originalMailFrom: null,
    originalRcptTo: [recipient],
    arrivalAt: null,
    sourceIp: ip,
    incidents: 1,
    reportedDomains: [],
    fields: {},
  } as const
  return { ...EMPTY_REPORT, kind: 'complaint', complaint, from, subject: 'Complaint about a mail' }
}

const EMPTY_REPORT: Report = {
  kind: 'other',
  format: 'simulation',
  recipients: [],
  complaint: null,
  tlsReport: null,
  originalMessage: null,
  isForwarded: false,
  envelopeId: null,
  queueId: null,
  reportingMta: null,
  headers: {},
  from: null,
  to: [],
  subject: null,
  messageId: null,
  sentAt: null,
  text: '',
  defects: [],
}

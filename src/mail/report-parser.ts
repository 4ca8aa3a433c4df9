/**
 * report-parser - reads any mail into a Report
 *
 * Promises: total (any bytes give a Report), pure, bounded in time and memory. An absent value is null.
 * See also: mail/report (the result), mail/mime/mime (structure), mail/dsn/dsn (RFC 3464), mail/feedback/arf (RFC 5965),
 * mail/freeform/formats (bounces written as prose).
 */
import { isDmarcAggregateReport } from './feedback/dmarc-report.ts'
import { isAutoReply } from './feedback/auto-reply.ts'
import { readComplaintReport, readJmrpComplaint } from './feedback/complaint.ts'
import { parseDate } from './mime/date.ts'
import { findReportIndicators, readDeliveryReport, readProviderEventReport } from './dsn/delivery-report.ts'
import { isReadReceipt } from './feedback/mdn.ts'
import { parseMessage } from './parsed-message.ts'
import type { ReportFinding, ParsedMessage } from './parsed-message.ts'
import type { Report } from './report.ts'
import { scoreIndicators } from './report-evidence.ts'
import type { IndicatorId } from './report-weights.ts'
import { parseFieldAddresses, parseMessageId } from './dsn/original-message.ts'
import { readListRefusal } from './feedback/list-refusal.ts'
import { readForwardedReport } from './dsn/forwarded-report.ts'
import { readRejectionNotice } from './feedback/rejection-notice.ts'
import { readTlsReportMail } from './feedback/tls-report-mail.ts'
import { isUnsubscribeRequest } from './feedback/unsubscribe.ts'

/** Length of the human-readable text that is kept for operators. */
const MAX_REPORT_TEXT = 8_192
/** Gateways wrap a report once, rarely twice. */
const MAX_ENCLOSED_DEPTH = 2

/**
 * Reads any message that arrived at a Return-Path or feedback address. Total, pure, bounded.
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

/** The indicators by which a mail was taken for a delivery report or not; null if a reader before that one decides. Total. */
export function explainRecognition(raw: Uint8Array): { readonly indicators: readonly IndicatorId[]; readonly score: number } | null {
  const message = parseMessage(raw, () => null)
  const readersBefore = READERS.slice(0, READERS.indexOf(readDeliveryReport))
  if (readersBefore.some((read) => read(message) !== null)) return null
  const indicators = findReportIndicators(message)
  return { indicators, score: scoreIndicators(indicators) }
}

function createBaseReport(message: ParsedMessage): Report {
  const { headers, parts } = message
  const date = headers['date']
  return {
    kind: 'other',
    format: 'none',
    recipients: [],
    complaint: null,
    tlsReport: null,
    originalMessage: message.originalMessage,
    isForwarded: false,
    envelopeId: null,
    queueId: null,
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

/** The first reader that recognises the message decides. Readers of explicit formats come first. */
const READERS: readonly ((message: ParsedMessage) => ReportFinding | null)[] = [
  readUnreadable,
  readTlsReportMail,
  readComplaintReport,
  readRejectionNotice,
  readReceipt,
  readProviderEventReport,
  readDeliveryReport,
  readJmrpComplaint,
  readDmarcReport,
  readUnsubscribeRequest,
  readListRefusal,
  readAutoReply,
  readForwardedReport,
]

function readUnreadable(message: ParsedMessage): ReportFinding | null {
  const { root, latin1 } = message.parts.mime
  if (root.headers.fields.length > 0) return null
  const isEmpty = message.bodyText === '' && message.parts.originalHeaders === null
  return isEmpty || isBinary(latin1.slice(0, 2_000)) ? { kind: 'unreadable', format: isEmpty ? 'empty' : 'binary' } : null
}

/** Whether at least one byte in ten occurs in no text. */
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

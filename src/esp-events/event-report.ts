/**
 * event-report - writes an event as the mail that a server would have sent: a delivery report or a feedback report
 *
 * Bounces, complaints and unsubscribes that come by HTTP are kept like those that come by mail: raw, in the inbox where no delivery fits, and read by
 * the same parser. The event itself is the text of the report.
 *
 * Pure. RFC 3464, RFC 5965, RFC 6522. See also: mail/report-parser, service/esp/record-events.
 */
import type { Esp, EspEvent, EspOutcome } from './esp-event.ts'

/** The domain of the reporter of a complaint, as our own reports name it. */
const ESP_DOMAINS = {
  ses: 'amazonses.com',
  sendgrid: 'sendgrid.net',
  mailgun: 'mailgun.org',
  postmark: 'postmarkapp.com',
  sparkpost: 'sparkpostmail.com',
} as const satisfies Record<Esp, string>

const BOUNDARY = 'event-of-an-esp'
/** RFC 5322 §2.1.1. */
const MAX_LINE_LENGTH = 900
const BASE64_LINE_LENGTH = 76

/** The outcomes that are reports, and the title of each. */
const REPORTS = {
  bounced: 'Undelivered mail',
  failed: 'Undelivered mail',
  refused: 'Undelivered mail',
  complaint: 'Complaint',
  unsubscribe: 'Unsubscribe',
} as const satisfies Partial<Record<EspOutcome, string>>

type ReportOutcome = keyof typeof REPORTS
export type ReportEvent = EspEvent & { readonly outcome: ReportOutcome }

/** Whether an event is kept as a report. */
export const isReportEvent = (event: EspEvent): event is ReportEvent => Object.hasOwn(REPORTS, event.outcome)

/** The mail of an event. `at`: when it happened, or was received (epoch ms). */
export function writeEventReport(esp: Esp, event: ReportEvent, at: number): Uint8Array {
  const isFailure = event.outcome !== 'complaint' && event.outcome !== 'unsubscribe'
  const lines = [
    `From: events@${ESP_DOMAINS[esp]}`,
    `Subject: ${REPORTS[event.outcome]}: ${fieldText(event.recipient)}`,
    `Date: ${new Date(at).toUTCString().replace('GMT', '+0000')}`,
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=${isFailure ? 'delivery-status' : 'feedback-report'}; boundary="${BOUNDARY}"`,
    '',
    ...partOf('text/plain; charset=utf-8', ['Content-Transfer-Encoding: base64', '', ...base64Lines(JSON.stringify(event, null, 2))]),
    ...(isFailure ? deliveryStatusOf(esp, event) : feedbackReportOf(event)),
    ...partOf('text/rfc822-headers', ['', ...returnedHeadersOf(event)]),
    `--${BOUNDARY}--`,
    '',
  ]
  return Buffer.from(lines.join('\r\n'))
}

const partOf = (type: string, lines: readonly string[]): readonly string[] => [`--${BOUNDARY}`, `Content-Type: ${type}`, ...lines]

function deliveryStatusOf(esp: Esp, { recipient, reply, mx }: ReportEvent): readonly string[] {
  const status = /(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?![\d.])/.exec(reply)?.[1] ?? (/(?:^|\s)4\d\d\s/.test(reply) ? '4.0.0' : '5.0.0')
  const remote = mx === null ? [] : [`Remote-MTA: dns; ${fieldText(mx)}`]
  const fields = [`Final-Recipient: rfc822; ${fieldText(recipient)}`, 'Action: failed', `Status: ${status}`, ...remote]
  const diagnostic = `Diagnostic-Code: smtp; ${fieldText(reply.replace(/^smtp\s?;\s?/i, ''))}`
  return partOf('message/delivery-status', ['', `Reporting-MTA: dns; ${ESP_DOMAINS[esp]}`, '', ...fields, diagnostic, ''])
}

function feedbackReportOf({ outcome, feedbackType, recipient }: ReportEvent): readonly string[] {
  const type = outcome === 'unsubscribe' ? 'opt-out' : (/^[a-z-]{1,32}$/.exec(feedbackType?.toLowerCase() ?? '')?.[0] ?? 'abuse')
  const fields = [`Feedback-Type: ${type}`, 'User-Agent: bounced/1', 'Version: 1', `Original-Rcpt-To: ${fieldText(recipient)}`]
  return partOf('message/feedback-report', ['', ...fields, ''])
}

function returnedHeadersOf({ messageIds, recipient }: ReportEvent): readonly string[] {
  const messageId = messageIds.find((each) => /^[\x21-\x7E]+$/.test(each) && each.includes('@'))
  return [...(messageId === undefined ? [] : [`Message-ID: <${messageId.replaceAll(/[<>]/g, '')}>`]), `To: ${fieldText(recipient)}`, '']
}

/** One line of printable text: a stranger wrote it. */
const fieldText = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .slice(0, MAX_LINE_LENGTH)
    .trim()

function base64Lines(text: string): readonly string[] {
  const encoded = Buffer.from(text).toString('base64')
  return Array.from({ length: Math.ceil(encoded.length / BASE64_LINE_LENGTH) }, (_, n) =>
    encoded.slice(n * BASE64_LINE_LENGTH, (n + 1) * BASE64_LINE_LENGTH),
  )
}

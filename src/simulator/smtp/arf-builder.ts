/**
 * arf-builder - builds the complaint that a simulated provider sends when a reader marks a message as spam
 *
 * It goes to the address that the message names (CFBL-Address, RFC 9477), else to the Return-Path. As in real feedback loops the recipient is
 * redacted: the sender has to find it by the identifiers in the message.
 *
 * Pure. RFC 5965, RFC 6650, RFC 9477. See also: simulator/smtp/ndr-builder, simulator/smtp/provider-server.
 */
import { buildMultipartReport } from './multipart-report.ts'
import { formatDate, headerFieldOf, type AcceptedMessage } from './ndr-builder.ts'

type ArfInput = {
  readonly provider: string
  readonly sender: string
  readonly message: AcceptedMessage
  readonly at: number
  readonly id: string
}

/** The address to which a complaint about a message goes. */
export function feedbackAddress({ header: head, from }: AcceptedMessage): string {
  const requested = /^<?([^\s;<>]+@[^\s;<>]+?)>?(?:;|$)/.exec(headerFieldOf(head, 'cfbl-address') ?? '')?.[1]
  return requested ?? from
}

/** The complaint as raw mail. */
export function buildArf({ provider, sender, message, at, id }: ArfInput): Buffer {
  const domain = sender.slice(sender.lastIndexOf('@') + 1)
  const author = headerFieldOf(message.header, 'from') ?? ''
  const reported = /@([^\s<>@]+)>?\s*$/.exec(author)?.[1] ?? domain
  const hidden = `redacted@${message.recipient.slice(message.recipient.lastIndexOf('@') + 1)}`
  const head = message.header.replaceAll(message.recipient, hidden)
  const report = [
    'Feedback-Type: abuse',
    `User-Agent: ${provider}-feedback/1.0`,
    'Version: 1',
    `Original-Mail-From: <${message.from}>`,
    `Original-Rcpt-To: <${hidden}>`,
    `Arrival-Date: ${formatDate(message.acceptedAt)}`,
    `Source-IP: ${message.ip}`,
    `Reported-Domain: ${reported}`,
    'Incidents: 1',
  ]
  return buildMultipartReport({
    headers: {
      Date: formatDate(at),
      From: `Feedback loop <${sender}>`,
      To: feedbackAddress(message),
      Subject: 'Complaint about a message',
      'Message-ID': `<${id}@${domain}>`,
    },
    reportType: 'feedback-report',
    boundary: `arf_${id}`,
    parts: [
      { type: 'text/plain', text: `A message from ${message.ip} was reported as unwanted. It follows with its recipient removed.` },
      { type: 'message/feedback-report', text: report.join('\n') },
      { type: 'message/rfc822', text: `Return-Path: <${message.from}>\n${head}\n\n` },
    ],
  })
}

/**
 * arf-builder - a person's complaint, as a provider passes it on
 *
 * Goes to where the mail asks for it (CFBL-Address, RFC 9477), else to the Return-Path. As feedback loops do, it names nobody: who complained is
 * for the sender to find out by what is in the mail.
 *
 * Pure. RFC 5965, RFC 6650, RFC 9477. See also: simulator/smtp/ndr-builder, simulator/smtp/provider-server.
 */
import { multipartReport } from './multipart-report.ts'
import { dateOf, fieldOf, type Taken } from './ndr-builder.ts'

export type Complaint = {
  readonly provider: string
  readonly sender: string
  readonly taken: Taken
  readonly at: number
  readonly id: string
}

/** Whom a complaint is told. */
export function feedbackAddress({ head, from }: Taken): string {
  const asked = /^<?([^\s;<>]+@[^\s;<>]+?)>?(?:;|$)/.exec(fieldOf(head, 'cfbl-address') ?? '')?.[1]
  return asked ?? from
}

/** The complaint's bytes. */
export function makeArf({ provider, sender, taken, at, id }: Complaint): Buffer {
  const domain = sender.slice(sender.lastIndexOf('@') + 1)
  const author = fieldOf(taken.head, 'from') ?? ''
  const reported = /@([^\s<>@]+)>?\s*$/.exec(author)?.[1] ?? domain
  const hidden = `redacted@${taken.recipient.slice(taken.recipient.lastIndexOf('@') + 1)}`
  const head = taken.head.replaceAll(taken.recipient, hidden)
  const report = [
    'Feedback-Type: abuse',
    `User-Agent: ${provider}-feedback/1.0`,
    'Version: 1',
    `Original-Mail-From: <${taken.from}>`,
    `Original-Rcpt-To: <${hidden}>`,
    `Arrival-Date: ${dateOf(taken.takenAt)}`,
    `Source-IP: ${taken.ip}`,
    `Reported-Domain: ${reported}`,
    'Incidents: 1',
  ]
  return multipartReport({
    headers: {
      Date: dateOf(at),
      From: `Feedback loop <${sender}>`,
      To: feedbackAddress(taken),
      Subject: 'Complaint about a message',
      'Message-ID': `<${id}@${domain}>`,
    },
    reportType: 'feedback-report',
    boundary: `arf_${id}`,
    parts: [
      { type: 'text/plain', text: `A message from ${taken.ip} was reported as unwanted. It follows with its recipient removed.` },
      { type: 'message/feedback-report', text: report.join('\n') },
      { type: 'message/rfc822', text: `Return-Path: <${taken.from}>\n${head}\n\n` },
    ],
  })
}

/**
 * reports - bounces and complaints about one recipient, with a given token
 */
import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMail } from '../../src/service/receive/incoming-mail.ts'

const crlf = (lines: readonly string[]): string => `${lines.join('\r\n')}\r\n`

type ReportOptions = {
  readonly token?: string
  readonly recipient: string
  readonly reply?: string
  readonly status?: string
  readonly action?: string
  readonly remoteMta?: string
  /** Two reports of one failure with different numbers differ in their bytes. */
  readonly n?: number
}

/** An RFC 3464 report as Postfix writes it. */
export function ndr({
  token = 'nobody',
  recipient,
  reply = '550 5.1.1 No such user here',
  status = '5.1.1',
  action = 'failed',
  remoteMta = 'mail.example.org',
  n = 0,
}: ReportOptions): string {
  return crlf([
    'From: MAILER-DAEMON@mx.example.net (Mail Delivery System)',
    `To: ${token}@bounce.example.com`,
    'Subject: Undelivered Mail Returned to Sender',
    `Message-Id: <ndr-${n}@mx.example.net>`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
    '',
    '--b',
    '',
    'This is the mail system at host mx.example.net.',
    '',
    `<${recipient}>: host mail.example.org[192.0.2.25] said: ${reply}`,
    '',
    '--b',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.example.net',
    '',
    `Final-Recipient: rfc822; ${recipient}`,
    `Action: ${action}`,
    `Status: ${status}`,
    `Remote-MTA: dns; ${remoteMta}`,
    `Diagnostic-Code: smtp; ${reply}`,
    '',
    '--b--',
  ])
}

/** An ARF complaint (RFC 5965) that quotes the mail with its CFBL-Feedback-ID. */
export function arf({
  token = 'nobody',
  recipient,
  type = 'abuse',
  n = 0,
}: {
  token?: string
  recipient: string
  type?: string
  n?: number
}): string {
  return crlf([
    'From: feedback@loops.example',
    'To: fbl@fbl.example.com',
    'Subject: complaint about a mail',
    `Message-Id: <arf-${n}@loops.example>`,
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=feedback-report; boundary="f"',
    '',
    '--f',
    '',
    'A person complained.',
    '',
    '--f',
    'Content-Type: message/feedback-report',
    '',
    `Feedback-Type: ${type}`,
    'User-Agent: Loop/1.0',
    'Version: 1',
    `Original-Rcpt-To: <${recipient}>`,
    '',
    '--f',
    'Content-Type: message/rfc822',
    '',
    'From: news@example.com',
    `To: ${recipient}`,
    'Subject: Hello',
    `CFBL-Feedback-ID: ${token}`,
    '',
    'Hello',
    '',
    '--f--',
  ])
}

/** A mail as the listener submits it. */
export function makeIncomingMail(raw: string, to: string, overrides: Partial<IncomingMail> = {}): IncomingMail {
  const bytes = Buffer.from(raw)
  return {
    raw: bytes,
    size: bytes.length,
    truncated: false,
    dataDigest: createHash('sha256').update(bytes).digest('hex'),
    envelope: { from: '', to },
    peer: '192.0.2.9',
    helo: 'mx.example.net',
    at: 0,
    receivedAt: 0,
    source: 'smtp',
    trustAs: null,
    sessionId: randomUUID(),
    ...overrides,
  }
}

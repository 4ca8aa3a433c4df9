/**
 * messages - builds messages for the tests of mail/report-parser
 *
 * All names are reserved (RFC 2606, RFC 5737).
 */
import type { ReportKind } from '../../src/mail/report.ts'

export type TestMessage = {
  readonly from: string
  readonly subject: string
  readonly body: string
  readonly to?: string
  readonly fields?: readonly string[]
}

/** A message as raw bytes. */
export function buildMessage(mail: TestMessage): Uint8Array {
  const fields = [`From: ${mail.from}`, `To: ${mail.to ?? 'sender@example.com'}`, `Subject: ${mail.subject}`, ...(mail.fields ?? [])]
  const hasType = fields.some((field) => /^content-type:/i.test(field))
  const type = hasType ? [] : ['Content-Type: text/plain; charset=utf-8']
  return Buffer.from([...fields, 'Date: Tue, 1 Apr 2025 08:00:00 +0000', 'MIME-Version: 1.0', ...type, '', mail.body].join('\r\n'))
}

export const NULL_SENDER = 'Return-Path: <>'
export const RETURNED = `Received: from app.example.com by mx.example.com; Tue, 1 Apr 2025 07:59:00 +0000
From: Shop <sender@example.com>
To: Customer <user@example.org>
Subject: Your order
Message-ID: <1@example.com>

Thank you.`

/** Every kind of report. A missing kind does not compile. */
export const REPORT_KINDS = {
  bounce: 'bounce',
  delay: 'delay',
  delivered: 'delivered',
  complaint: 'complaint',
  'not-spam': 'not-spam',
  'auth-failure': 'auth-failure',
  'tls-report': 'tls-report',
  'auto-reply': 'auto-reply',
  unsubscribe: 'unsubscribe',
  mdn: 'mdn',
  other: 'other',
  unreadable: 'unreadable',
} as const satisfies { readonly [Kind in ReportKind]: Kind }

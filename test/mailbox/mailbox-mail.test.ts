/**
 * mailbox-mail.test - a mail of a mailbox as a received mail: its envelope, its time, and mails that are larger than their server says
 */
import { expect, test } from 'vitest'
import { bytesToFetch, incomingMailOf } from '../../src/mailbox/mailbox-mail.ts'
import { TRUNCATED_MAIL_BYTES } from '../../src/service/receive/incoming-mail.ts'

const NOW = Date.UTC(2026, 10, 29)
const MAX = 2 * TRUNCATED_MAIL_BYTES
const HEAD =
  'Return-Path: <>\r\nDelivered-To: bounces@example.com\r\nTo: x@bounce.example.com\r\nReceived: by a; Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\n'

const mailOf = (raw: Buffer, size: number, internalDate: number | null = NOW - 60_000) =>
  incomingMailOf({ raw, internalDate }, { size, maxMailBytes: MAX, domains: ['bounce.example.com'], sessionId: 's', now: NOW })

test('the envelope comes from the header, an address of ours first; nothing is known of the peer', () => {
  const mail = mailOf(Buffer.from(HEAD), HEAD.length)
  expect(mail).toMatchObject({ envelope: { from: '', to: 'x@bounce.example.com' }, peer: null, helo: null, source: 'imap', trustAs: null })
})

test.each([
  // INTERNALDATE        received at
  [NOW - 60_000, NOW - 59_001],
  [NOW, NOW],
  [NOW + 3_600_000, NOW],
  [null, NOW],
] as const)('INTERNALDATE %s: %s', (date, at) => expect(mailOf(Buffer.from(HEAD), HEAD.length, date).at).toBe(at))

test.each([
  // size that the server says   bytes that it sends            kept                  truncated
  [HEAD.length, HEAD.length, HEAD.length, false],
  [10, HEAD.length, HEAD.length, false],
  [MAX, MAX, MAX, false],
  [10, MAX + 1, TRUNCATED_MAIL_BYTES, true],
  [MAX + 1, TRUNCATED_MAIL_BYTES, TRUNCATED_MAIL_BYTES, true],
] as const)('%s bytes stated, %s sent: %s kept', (size, sent, kept, truncated) => {
  const raw = Buffer.alloc(sent, 'x')
  raw.write(HEAD)
  const mail = mailOf(raw, size)
  expect([mail.raw.length, mail.truncated]).toEqual([kept, truncated])
  expect(mailOf(Buffer.from(raw), size).dataDigest).toBe(mail.dataDigest)
  expect(sent).toBeLessThanOrEqual(bytesToFetch(size, MAX))
})

/**
 * submitted-message.test - the sender, Message-ID and header of a submitted mail; any bytes
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseSubmittedMessage } from '../../src/service/submit/submitted-message.ts'

const read = (text: string, recipients: readonly string[] = ['joe@example.net']) =>
  parseSubmittedMessage(Buffer.from(text.replaceAll('\n', '\r\n')), { recipients, labelId: null })

const bodyOf = (text: string) => {
  const message = read(text)
  return message.ok ? message.submission.body : null
}

const SENDERS = [
  // From                                             address
  ['From: a@example.com', 'a@example.com'],
  ['from : "A, B" <a@example.com>', 'a@example.com'],
  ['From: =?utf-8?q?Zo=C3=AB?= <a@example.com>', 'a@example.com'],
  ['From:\n A\n <a@example.com>', 'a@example.com'],
  ['From: A', null],
  ['From: a@example.com, b@example.com', null],
  ['From: a@example.com\nfrom: b@example.com', null],
  ['X: y', null],
] as const

test.each(SENDERS)('%j is from %j', (fields, want) => expect(bodyOf(`${fields}\n\nx`)?.from ?? null).toBe(want))

const IDS = [
  ['Message-ID: <a@example.com>', 'a@example.com'],
  ['Message-ID:\n <a@example.com>', 'a@example.com'],
  ['Message-ID: <a b@example.com>', null],
  ['Message-ID: <>', null],
  ['X: y', null],
] as const

test.each(IDS)('%j has the Message-ID %j', (fields, want) => expect(bodyOf(`From: a@example.com\n${fields}\n\nx`)?.messageId).toBe(want))

test('a header over the limit is refused; a long subject is truncated in the submission', () => {
  expect(read(`From: a@example.com\nX-A: ${'x'.repeat(262_144)}\n\nx`)).toEqual({ ok: false, refusal: 'largeHeader' })
  expect(bodyOf(`From: a@example.com\nSubject: ${'x'.repeat(2_000)}\n\nx`)?.subject).toHaveLength(998)
})

test.each([
  ['X-Bounced-Send-At: 2026-12-01T09:00:00Z', { 'x-bounced-send-at': '2026-12-01T09:00:00Z' }],
  ['x-bounced-send-at:\n a\nX-BOUNCED-SEND-AT: b', { 'x-bounced-send-at': 'a, b' }],
  ['X-Bounced-Priority: batch\nX-Bounced-Send-At: soon', { 'x-bounced-priority': 'batch', 'x-bounced-send-at': 'soon' }],
  ['X: y', {}],
] as const)('%j instructs us by %j', (fields, want) => {
  expect(bodyOf(`From: a@example.com\n${fields}\n\nx`)?.headers).toEqual(want)
})

test('a field after the blank line is text', () => {
  expect(bodyOf('From: a@example.com\n\nX-SMTPAPI: nonsense\nFrom: b@example.com')?.from).toBe('a@example.com')
})

describe('any bytes', () => {
  test('give a submission or a refusal', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        const message = parseSubmittedMessage(bytes, { recipients: ['joe@example.net'], labelId: 7 })
        expect(message.ok || ['largeHeader', 'noSender', 'ambiguousSender', 'extension', 'manySeparate'].includes(message.refusal)).toBe(
          true,
        )
      }),
    )
  })

  test('as header fields', () => {
    const line = fc.string({
      unit: fc.constantFrom('a', ':', ' ', '@', '<', '>', '"', '\r\n', '\r\n ', '{', '}', '=?', '?=', 'From:', 'X-SMTPAPI:', 'é'),
      maxLength: 60,
    })
    fc.assert(
      fc.property(line, (text) => {
        const message = parseSubmittedMessage(Buffer.from(`From: a@example.com\r\n${text}\r\n\r\nx`), {
          recipients: ['joe@example.net'],
          labelId: null,
        })
        expect(!message.ok || message.submission.body.from.includes('@')).toBe(true)
      }),
    )
  })
})

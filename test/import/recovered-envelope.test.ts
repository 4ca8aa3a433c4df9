/**
 * recovered-envelope.test - the recipient, sender and time of a mail in a file
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { recoverEnvelope } from '../../src/import/recovered-envelope.ts'

const DOMAINS = ['bounce.example.com', 'fbl.example.com']
const at = (iso: string): number => Date.parse(iso)

const cases = [
  // headers                                                                                         from, to, at
  [['Delivered-To: t1@bounce.example.com', 'To: joe@example.org'], '', 't1@bounce.example.com', null],
  [['Return-Path: <>', 'X-Original-To: t2@bounce.example.com'], '', 't2@bounce.example.com', null],
  [
    ['Return-Path: <ops@example.net>', 'Delivered-To: local@host.example', 'X-Original-To: t3@BOUNCE.example.com'],
    'ops@example.net',
    't3@bounce.example.com',
    null,
  ],
  [
    ['Received: from a by b with ESMTP id 1', ' for <t4@bounce.example.com>; Fri, 20 Nov 2026 10:00:00 +0100'],
    '',
    't4@bounce.example.com',
    at('2026-11-20T09:00:00Z'),
  ],
  [
    [
      'Received: from x by y; Fri, 20 Nov 2026 10:05:00 +0000',
      'Received: from a by x for <t5@fbl.example.com>; Fri, 20 Nov 2026 10:00:00 +0000',
      'Date: Thu, 19 Nov 2026 00:00:00 +0000',
    ],
    '',
    't5@fbl.example.com',
    at('2026-11-20T10:05:00Z'),
  ],
  [['To: "T" <t6@bounce.example.com>', 'Date: Thu, 19 Nov 2026 00:00:00 +0000'], '', 't6@bounce.example.com', at('2026-11-19T00:00:00Z')],
  [['Delivered-To: someone@example.org'], '', 'someone@example.org', null],
  [['Subject: nothing'], '', '', null],
] as const

test.each(cases)('%j', (headers, from, to, time) => {
  const raw = Buffer.from(`${headers.join('\r\n')}\r\n\r\nbody\r\n`)
  expect(recoverEnvelope(raw, DOMAINS)).toEqual({ from, to, at: time })
})

test('any bytes give an envelope', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), (raw) => {
      const found = recoverEnvelope(raw, DOMAINS)
      expect(typeof found.to).toBe('string')
      expect(found.at === null || Number.isFinite(found.at)).toBe(true)
    }),
  )
})

/**
 * rewrite-mime.test - a mail that the sender built: what stays byte for byte, what is substituted, what is removed
 */
import fc from 'fast-check'
import { simpleParser } from 'mailparser'
import { expect, test } from 'vitest'
import { rewriteMail } from '../../src/compose/rewrite-mime.ts'
import { substituteWith } from './substitute-with.ts'

const fields = { 'Message-ID': '<ours@example.com>', 'Feedback-ID': 'a:b:c:d' }
const defaults = { Date: 'Fri, 20 Nov 2026 12:00:00 +0000', 'MIME-Version': '1.0' }
const crlf = (text: string): Buffer => Buffer.from(text.replaceAll('\n', '\r\n'))
const rewrite = (text: string, variables: Record<string, string> | null = null): string =>
  rewriteMail(crlf(text), {
    fields,
    droppedFields: [],
    defaultFields: defaults,
    substitute: variables === null ? null : substituteWith(variables),
  })?.toString() ?? 'null'

const MULTIPART = `From: a@example.com
Subject: Hi %name%
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=x

preamble
--x
Content-Type: text/plain

Hello %name%
--x
Content-Type: text/html; charset=iso-8859-1; format=flowed
Content-Transfer-Encoding: quoted-printable

<p>Hall=F6chen %name%</p>
--x--
`

test('what needs no change stays byte for byte', () => {
  const body = '\n  kept \t\n.\nlast line'
  const text = `From:  a@example.com\nX-Odd:   spaces\n\tand tabs\nContent-Type: text/plain\n${body}`
  expect(rewrite(text)).toBe(
    crlf(
      `Message-ID: <ours@example.com>\nFeedback-ID: a:b:c:d\nDate: ${defaults.Date}\nMIME-Version: 1.0\nFrom:  a@example.com\nX-Odd:   spaces\n\tand tabs\nContent-Type: text/plain\n${body}`,
    ).toString(),
  )
})

test('Bcc, the vendor extension and a foreign Return-Path are removed; our fields replace the sender’s', () => {
  const text =
    'Return-Path: <x@example.net>\nBcc: hidden@example.net,\n more@example.net\nbcc: again@example.net\nX-SMTPAPI: {}\n {}\nX-Bounced-Send-At: 2026-12-01T09:00:00Z\nx-bounced-priority: batch\nMessage-ID: <theirs@example.net>\nFeedback-ID: theirs\nFrom: a@example.com\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n\nbody'
  const written = rewrite(text)
  expect(written).not.toMatch(/hidden|more@|again|x-smtpapi|x-bounced|return-path|theirs/i)
  expect(written).toContain('Date: Mon, 1 Jan 2024')
  expect(written.match(/^Date:/gm)).toHaveLength(1)
})

test('variables are substituted in fields and text parts of any encoding', async () => {
  const written = rewrite(MULTIPART, { '%name%': 'Zoë\r\nBcc: x@example.net' })
  const parsed = await simpleParser(Buffer.from(written, 'latin1'))
  expect(parsed.subject).toBe('Hi Zoë Bcc: x@example.net')
  expect(parsed.bcc).toBeUndefined()
  expect(parsed.text).toContain('Hello Zoë')
  expect(parsed.html).toContain('Hallöchen Zoë')
  expect(written).toMatch(/^[\t\r\n -~]*$/)
})

test('a part without variables stays unchanged', () => {
  const written = rewrite(MULTIPART.replace('Hello %name%', 'Hello  you'), { '%name%': 'Ann' })
  expect(written).toContain('--x\r\nContent-Type: text/plain\r\n\r\nHello  you\r\n--x')
})

test('octets and lines that a relay might change get another transfer encoding', async () => {
  const long = 'word '.repeat(400)
  const text = `From: a@example.com\nContent-Type: text/plain; charset=utf-8\n\nZoë\n${long}`
  const written = rewrite(text)
  expect(written).toMatch(/^[\t\r\n -~]*$/)
  expect(written.split('\r\n').every((line) => line.length <= 998)).toBe(true)
  expect((await simpleParser(Buffer.from(written, 'latin1'))).text?.trim()).toBe(`Zoë\n${long}`.trim())
})

test('octets beyond ASCII in fields become encoded words; addresses stay unchanged', async () => {
  const written = rewrite('From: "Zoë B" <a@example.com>\nSubject: Grüße\nTo: Ärzte <b@example.com>, c@example.com\n\nHello')
  expect(written).toMatch(/^[\t\r\n -~]*$/)
  const parsed = await simpleParser(written)
  expect([parsed.from?.value, parsed.subject, Array.isArray(parsed.to) ? null : parsed.to?.value]).toEqual([
    [{ name: 'Zoë B', address: 'a@example.com' }],
    'Grüße',
    [
      { name: 'Ärzte', address: 'b@example.com' },
      { name: '', address: 'c@example.com' },
    ],
  ])
})

test('signed parts and nested messages stay unchanged', () => {
  const signed = MULTIPART.replace('multipart/alternative', 'multipart/signed')
  expect(rewrite(signed, { '%name%': 'Ann' })).toContain('Hello %name%')
  const nested = `From: a@example.com\nContent-Type: multipart/mixed; boundary=y\n\n--y\nContent-Type: message/rfc822\n\n${MULTIPART}\n--y--\n`
  expect(rewrite(nested, { '%name%': 'Ann' })).toContain('Hello %name%')
})

test('a mail that would become too large is null', () => {
  const substitute = substituteWith({ '%v%': 'x'.repeat(100) }, {}, 150)
  expect(rewriteMail(crlf('From: a@example.com\n\n%v%%v%'), { fields, droppedFields: [], defaultFields: defaults, substitute })).toBeNull()
  expect(
    rewriteMail(crlf('From: a@example.com\nSubject: %v%%v%\n\nx'), { fields, droppedFields: [], defaultFields: defaults, substitute }),
  ).toBeNull()
})

test('total: any bytes give a mail that begins with our fields', () => {
  const substitute = substituteWith({ a: 'b' })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, withVariables) => {
      const written = rewriteMail(bytes, {
        fields,
        droppedFields: [],
        defaultFields: defaults,
        substitute: withVariables ? substitute : null,
      })
      expect(written?.toString('latin1').startsWith('Message-ID: <ours@example.com>\r\nFeedback-ID: a:b:c:d\r\n')).toBe(true)
    }),
  )
})

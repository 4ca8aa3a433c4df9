/**
 * rewrite-mime.test - a sender's own mail: what stands byte for byte, what is put in, what never leaves
 */
import fc from 'fast-check'
import { simpleParser } from 'mailparser'
import { expect, test } from 'vitest'
import { rewriteMail } from '../../src/compose/rewrite-mime.ts'
import { createSubstitute } from '../../src/compose/substitute.ts'

const fields = { 'Message-ID': '<ours@example.com>', 'Feedback-ID': 'a:b:c:d' }
const defaults = { Date: 'Fri, 20 Nov 2026 12:00:00 +0000', 'MIME-Version': '1.0' }
const crlf = (text: string): Buffer => Buffer.from(text.replaceAll('\n', '\r\n'))
const rewrite = (text: string, variables: Record<string, string> | null = null): string =>
  rewriteMail(crlf(text), {
    fields,
    droppedFields: [],
    defaultFields: defaults,
    substitute: variables === null ? null : createSubstitute({ variables, sections: {} }),
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

test('what nothing asks to change stands byte for byte', () => {
  const body = '\n  kept \t\n.\nlast line'
  const text = `From:  a@example.com\nX-Odd:   spaces\n\tand tabs\nContent-Type: text/plain\n${body}`
  expect(rewrite(text)).toBe(
    crlf(
      `Message-ID: <ours@example.com>\nFeedback-ID: a:b:c:d\nDate: ${defaults.Date}\nMIME-Version: 1.0\nFrom:  a@example.com\nX-Odd:   spaces\n\tand tabs\nContent-Type: text/plain\n${body}`,
    ).toString(),
  )
})

test('blind copies, the extension and a stranger’s path never leave; ours takes the place of his', () => {
  const text =
    'Return-Path: <x@example.net>\nBcc: hidden@example.net,\n more@example.net\nbcc: again@example.net\nX-SMTPAPI: {}\n {}\nMessage-ID: <his@example.net>\nFeedback-ID: his\nFrom: a@example.com\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n\nbody'
  const written = rewrite(text)
  expect(written).not.toMatch(/hidden|more@|again|x-smtpapi|return-path|his/i)
  expect(written).toContain('Date: Mon, 1 Jan 2024')
  expect(written.match(/^Date:/gm)).toHaveLength(1)
})

test('variables go into fields and text parts, whatever their encoding', async () => {
  const written = rewrite(MULTIPART, { '%name%': 'Zoë\r\nBcc: x@example.net' })
  const parsed = await simpleParser(Buffer.from(written, 'latin1'))
  expect(parsed.subject).toBe('Hi Zoë Bcc: x@example.net')
  expect(parsed.bcc).toBeUndefined()
  expect(parsed.text).toContain('Hello Zoë')
  expect(parsed.html).toContain('Hallöchen Zoë')
  expect(written).toMatch(/^[\t\r\n -~]*$/)
})

test('a part without variables stays as it was written', () => {
  const written = rewrite(MULTIPART.replace('Hello %name%', 'Hello  you'), { '%name%': 'Ann' })
  expect(written).toContain('--x\r\nContent-Type: text/plain\r\n\r\nHello  you\r\n--x')
})

test('octets and lines that a relay would break are put into another encoding', async () => {
  const long = 'word '.repeat(400)
  const text = `From: a@example.com\nContent-Type: text/plain; charset=utf-8\n\nZoë\n${long}`
  const written = rewrite(text)
  expect(written).toMatch(/^[\t\r\n -~]*$/)
  expect(written.split('\r\n').every((line) => line.length <= 998)).toBe(true)
  expect((await simpleParser(Buffer.from(written, 'latin1'))).text?.trim()).toBe(`Zoë\n${long}`.trim())
})

test('octets beyond ASCII in fields become encoded words; addresses stay', async () => {
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

test('signed parts and mails within the mail are left alone', () => {
  const signed = MULTIPART.replace('multipart/alternative', 'multipart/signed')
  expect(rewrite(signed, { '%name%': 'Ann' })).toContain('Hello %name%')
  const nested = `From: a@example.com\nContent-Type: multipart/mixed; boundary=y\n\n--y\nContent-Type: message/rfc822\n\n${MULTIPART}\n--y--\n`
  expect(rewrite(nested, { '%name%': 'Ann' })).toContain('Hello %name%')
})

test('what would grow beyond all bounds is null', () => {
  const put = createSubstitute({ variables: { '%v%': 'x'.repeat(100) }, sections: {} }, 150)
  expect(
    rewriteMail(crlf('From: a@example.com\n\n%v%%v%'), { fields, droppedFields: [], defaultFields: defaults, substitute: put }),
  ).toBeNull()
  expect(
    rewriteMail(crlf('From: a@example.com\nSubject: %v%%v%\n\nx'), { fields, droppedFields: [], defaultFields: defaults, substitute: put }),
  ).toBeNull()
})

test('total: any bytes give a mail whose header ends where ours does', () => {
  const put = createSubstitute({ variables: { a: 'b' }, sections: {} })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, withPut) => {
      const written = rewriteMail(bytes, { fields, droppedFields: [], defaultFields: defaults, substitute: withPut ? put : null })
      expect(written?.toString('latin1').startsWith('Message-ID: <ours@example.com>\r\nFeedback-ID: a:b:c:d\r\n')).toBe(true)
    }),
  )
})

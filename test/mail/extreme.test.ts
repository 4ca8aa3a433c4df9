/**
 * extreme - hostile messages give valid values in bounded time
 */
import { expect, test } from 'vitest'
import { extractAddresses } from '../../src/mail/mime/address.ts'
import { getHeaders } from '../../src/mail/mime/header.ts'
import { decodePartBytes, decodePartText } from '../../src/mail/mime/content.ts'
import { parseMime } from '../../src/mail/mime/mime.ts'
import { findReplies } from '../../src/mail/smtp/reply-search.ts'
import { parseReply } from '../../src/mail/smtp/reply.ts'

const MAX_PARTS = 1_000
const MAX_DEPTH = 50
const MAX_PART_TEXT = 262_144

const mailOf = (text: string): Buffer => Buffer.from(text, 'latin1')
const multipart = (boundary: string): string => `Content-Type: multipart/mixed; boundary="${boundary}"\n\n`

test('reads the first 1,000 of 10,000 parts', () => {
  const mime = parseMime(mailOf(`${multipart('b')}${'--b\n\nx\n'.repeat(10_000)}--b--\n`))
  expect(mime.parts).toHaveLength(MAX_PARTS)
  expect(mime.defects).toEqual(['more than 1000 parts'])
  expect(decodePartText(mime, mime.parts.at(-1) ?? mime.root)).toBe('x')
})

test('reads multiparts nested 1,000 deep down to the limit', () => {
  const open = Array.from({ length: 1_000 }, (_one, i) => `${multipart(`b${i}`)}--b${i}\n`).join('')
  const mime = parseMime(mailOf(`${open}\nx`))
  expect(Math.max(...mime.parts.map((part) => part.depth))).toBe(MAX_DEPTH)
  expect(mime.defects).toContain('nested deeper than 50')
})

test('reads messages nested 1,000 deep down to the limit', () => {
  const mime = parseMime(mailOf(`${'Content-Type: message/rfc822\n\n'.repeat(1_000)}Subject: x\n\n`))
  expect(mime.parts).toHaveLength(MAX_DEPTH + 1)
})

test('reads 900 multiparts that declare a wrong boundary', () => {
  const mime = parseMime(mailOf(`${multipart('b')}${`--b\n${multipart('lie')}--c\nContent-Type: text/html\n\nx\n`.repeat(900)}--b--`))
  expect(mime.parts).toHaveLength(MAX_PARTS)
  expect(mime.defects).toContain('boundary never occurs, another one does')
})

test('cuts a field of 1 MB and a header of 100,000 fields', () => {
  const one = parseMime(mailOf(`X-Long: ${'x'.repeat(1_048_576)}\nSubject: late\n\nbody`))
  expect(getHeaders(one.root.headers, 'x-long')[0] ?? null).toHaveLength(8_191)
  expect(decodePartText(one, one.root)).toBe('body')
  const many = parseMime(mailOf(`${'X-A: b\n'.repeat(100_000)}Subject: late\n\nbody`))
  expect(many.defects).toEqual(['header cut'])
  expect(decodePartText(many, many.root)).toBe('body')
})

test('ends a header at 1 MB of stray lines', () => {
  const mime = parseMime(mailOf(`Subject: x\n${'no field\n'.repeat(100_000)}`))
  expect(getHeaders(mime.root.headers, 'subject')[0] ?? null).toBe('x')
  expect(mime.root.bodyStart).toBe(11)
})

test('cuts the text of a 20 MB part but not its bytes', () => {
  const mime = parseMime(mailOf(`Subject: x\n\n${'abcdefgh\n'.repeat(2_400_000)}`))
  expect(decodePartText(mime, mime.root)).toHaveLength(MAX_PART_TEXT)
  expect(decodePartBytes(mime, mime.root)).toHaveLength(21_600_000)
})

test('cuts the text of 20 MB of base64 and quoted-printable', () => {
  const base64 = parseMime(mailOf(`Content-Transfer-Encoding: base64\n\n${'YWJjZGVm\n'.repeat(2_400_000)}`))
  expect(decodePartText(base64, base64.root)).toHaveLength(MAX_PART_TEXT)
  const quoted = parseMime(mailOf(`Content-Transfer-Encoding: quoted-printable\n\n${'=61=62=\n'.repeat(2_400_000)}`))
  expect(decodePartText(quoted, quoted.root)).toBe('ab'.repeat(MAX_PART_TEXT / 2))
})

test('skips 300,000 lines that look like delimiters', () => {
  const mime = parseMime(mailOf(`${multipart('b')}--b\n\n${'--not b\n'.repeat(300_000)}--b--`))
  expect(mime.parts).toHaveLength(2)
})

test('accepts boundaries that are prefixes of others, repeated, empty or very long', () => {
  const prefix = Array.from({ length: 40 }, (_one, i) => `${multipart('a'.repeat(i + 1))}--${'a'.repeat(i + 1)}\n`).join('')
  expect(parseMime(mailOf(`${prefix}\nx`)).parts).toHaveLength(41)
  const double = parseMime(mailOf(`${`${multipart('b')}--b\n`.repeat(40)}\nx${'\n--b--'.repeat(40)}`))
  expect(double.parts).toHaveLength(41)
  const empty = parseMime(mailOf('Content-Type: multipart/mixed; boundary=""\n\n--\n\nx\n----\n'))
  expect(empty.parts.map((part) => part.type)).toEqual(['multipart/mixed', 'text/plain'])
  const long = parseMime(mailOf(`${multipart('b'.repeat(1_000))}--${'b'.repeat(1_000)}\n\nx`))
  expect(long.defects).toEqual(['multipart without parts'])
})

test('reads 1 MB of one repeated byte', () => {
  for (const byte of ['\0', '\r', '\n', '-', ' ', ':', '=', '"', '(', '\xff', '@', '<', '&']) {
    const mime = parseMime(mailOf(byte.repeat(1_048_576)))
    expect(mime.root.type).toBe('text/plain')
    const text = decodePartText(mime, mime.root)
    expect(text.length).toBeLessThanOrEqual(MAX_PART_TEXT)
    expect(extractAddresses(text)).toEqual([])
    expect(findReplies(text)).toEqual([])
    expect(parseReply(text).code).toBeNull()
  }
})

test('reads parameters and encoded words without an end', () => {
  for (const value of [
    '"'.repeat(8_000),
    '('.repeat(8_000),
    'a*0*='.repeat(2_000),
    '=?utf-8?q?'.repeat(900),
    '=?='.repeat(2_700),
    ';'.repeat(8_000),
    "'".repeat(8_000),
  ]) {
    const mime = parseMime(mailOf(`Content-Type: text/plain; ${value}\nSubject: ${value}\n\nx`))
    expect(decodePartText(mime, mime.root)).toBe('x')
    expect(getHeaders(mime.root.headers, 'subject')[0] ?? null).toEqual(expect.any(String))
  }
})

test('reads NULs in the header, a boundary and the text', () => {
  const mime = parseMime(mailOf(`Sub\0ject: x\n${multipart('b')}--b\n\na\0b\n--b\0\n\nc\n--b--`))
  expect(mime.parts.map((part) => part.type)).toContain('text/plain')
  expect(mime.parts.map((part) => decodePartText(mime, part)).join()).toContain('a\0b')
})

test('decodes known and unknown charsets', () => {
  const cases = [
    ['gb18030', Buffer.from('95328236c4fab5c4d3cabcfe', 'hex'), '𠂢您的邮件'.slice(2)],
    ['iso-2022-jp', mailOf('\x1b$B%a!<%k\x1b(B'), 'メール'],
    ['x-martian', mailOf('caf\xe9'), 'café'],
    ['utf-8', mailOf('\xff\xfe\xe4'), 'ÿþä'],
  ] as const
  for (const [charset, bytes, want] of cases) {
    const mime = parseMime(Buffer.concat([mailOf(`Content-Type: text/plain; charset=${charset}\n\n`), bytes]))
    expect(decodePartText(mime, mime.root)).toContain(want)
  }
})

test('bounds the replies and addresses of a text', () => {
  expect(findReplies('550 5.1.1 no\n\n'.repeat(20_000))).toHaveLength(200)
  expect(findReplies('550 5.1.1 '.repeat(20_000)).length).toBeGreaterThan(0)
  expect(findReplies('host a.b.c.d.e.f.g.h.'.repeat(10_000))).toEqual([])
  expect(findReplies('said: 550 x '.repeat(20_000)).length).toBeGreaterThan(0)
  expect(extractAddresses('a@b.example,'.repeat(100_000))).toHaveLength(100)
  expect(extractAddresses('a@'.repeat(100_000))).toEqual([])
  expect(extractAddresses(`${'"'.repeat(100_000)}@`.repeat(2))).toEqual([])
  expect(parseReply('550-'.repeat(100_000)).code).toBe(550)
})

test('reads a message whose first line is a boundary', () => {
  const lines = ['--b--', '--b--', 'Content-Type: multipart/report; boundary=b', 'From: a@example.com']
  for (let count = 1; count <= lines.length; count++) {
    const mime = parseMime(mailOf(lines.slice(0, count).join('\n')))
    expect(mime.parts.length).toBeGreaterThan(0)
  }
  expect(parseMime(mailOf('--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n')).parts.length).toBeGreaterThan(0)
})

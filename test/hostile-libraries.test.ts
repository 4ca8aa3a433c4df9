/**
 * hostile-libraries.test - what a library may see of a stranger's bytes
 *
 * Libraries are linear at best, and some are quadratic. So each is entered by one function of ours that caps what it passes on. The first tests count what
 * reaches the library when the worst inputs arrive. The others run in the threads that are ended at their limit, and show that the libraries finish within
 * the caps. See also: docs/SECURITY.md (the table), test/mail/extreme.test.ts (our own scanner).
 */
import type * as Levenshtein from 'fastest-levenshtein'
import type * as HtmlToText from 'html-to-text'
import type Libmime from 'libmime'
import { afterAll, beforeEach, expect, test, vi } from 'vitest'

const received = vi.hoisted(() => ({ libmime: [] as number[], htmlToText: [] as number[], levenshtein: [] as number[] }))

vi.mock('libmime', async (importOriginal) => {
  const { default: libmime } = await importOriginal<{ default: typeof Libmime }>()
  const decodeWords = (text: string): string => {
    received.libmime.push(text.length)
    return libmime.decodeWords(text)
  }
  return { default: { decodeWords, encodeWords: libmime.encodeWords.bind(libmime) } }
})
vi.mock('html-to-text', async (importOriginal) => {
  const original = await importOriginal<typeof HtmlToText>()
  const convert = (html: string): string => {
    received.htmlToText.push(html.length)
    return original.convert(html)
  }
  return { ...original, convert }
})
vi.mock('fastest-levenshtein', async (importOriginal) => {
  const original = await importOriginal<typeof Levenshtein>()
  const closest = (text: string, among: readonly string[]): string => {
    received.levenshtein.push(text.length)
    return original.closest(text, among)
  }
  return { ...original, closest }
})

const { parseReport } = await import('../src/mail/report-parser.ts')
const { readHeaderOnly } = await import('../src/mail-auth/mail-content.ts')
const { createMimeReader } = await import('../src/mail-auth/mime-reader.ts')
const { createSignatureVerifier } = await import('../src/mail-auth/signature-verifier.ts')
const { strictObject } = await import('../src/http/server/schemas.ts')

beforeEach(() => {
  for (const sizes of Object.values(received)) sizes.length = 0
})

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const MEGABYTE = 1_048_576
const REPORT_HEADER = 'From: MAILER-DAEMON@mx.example\r\nSubject: failure notice\r\n'

const ENCODED_WORDS = [
  '=?utf-8?q?=41?= ',
  '=?utf-8?b?QUJD?=',
  '=?iso-2022-jp?b?GyRCJCI=?=',
  '=?=?',
  '=?a?q?',
  '=?utf-8?q??=',
  '=?utf-8*en?Q?_?=',
] as const

test.each(ENCODED_WORDS)('libmime: 100 fields of 64 KB of %j reach it in pieces of at most 8,192 characters', (word) => {
  const field = word.repeat(65_536 / word.length)
  const fields = `Subject: ${field}\r\nReferences: ${field}\r\nTo: ${field} <a@b.example>\r\n`.repeat(33)
  expect(parseReport(bytes(`${REPORT_HEADER}${fields}\r\nbody`)).kind).toBeTypeOf('string')
  readHeaderOnly(bytes(`${fields}\r\nbody`))
  expect(Math.max(...received.libmime)).toBeLessThanOrEqual(8_192)
  // The block is capped too, so the sum of all that the library decodes of one mail is.
  expect(received.libmime.reduce((sum, size) => sum + size, 0)).toBeLessThan(2 * MEGABYTE)
})

test('html-to-text: of a megabyte of entities, 50 reach it, one at a time', () => {
  const html = '&NotNestedGreaterGreater;'.repeat(MEGABYTE / 25)
  parseReport(bytes(`${REPORT_HEADER}Content-Type: text/html\r\n\r\n${html}`))
  expect(received.htmlToText.length).toBeLessThanOrEqual(100)
  expect(Math.max(...received.htmlToText)).toBeLessThanOrEqual(33)
})

test('fastest-levenshtein: a field name of a megabyte in a request does not reach it', () => {
  const schema = strictObject({})
  expect(schema.safeParse({ ['x'.repeat(MEGABYTE)]: 1, ['é'.repeat(64)]: 1 }).success).toBe(false)
  expect(received.levenshtein).toEqual([])
})

/** Longer than any of these takes on a busy machine: it guards against hanging, and measures nothing. */
const HANG_MS = 120_000

const SIGNATURE =
  'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=loops.example; s=s; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n'
const FROM = 'From: a@loops.example\r\n'
const ARC_SET =
  'ARC-Seal: i=1; a=rsa-sha256; cv=none; d=a.example; s=s; b=AAAA\r\nARC-Message-Signature: i=1; d=a.example; s=s; h=from; b=AAAA\r\n'
/** A header of nearly 64 KB: `start`, then as many units as fit. */
const header = (start: string, unit: string): string => start + unit.repeat((65_000 - start.length) / unit.length)

/** Headers that fill the caps, and bodies. Each reaches mailauth. */
const SIGNED_MAILS: Readonly<Record<string, string>> = {
  'folded lines': `${SIGNATURE}${FROM}X: y\r\n${' y\r\n'.repeat(990)}\r\n`,
  'fields of one letter': `${SIGNATURE}${FROM}${'a:\r\n'.repeat(990)}\r\n`,
  'lines without a colon': `${SIGNATURE}${FROM}${'a\r\n'.repeat(990)}\r\n`,
  'names in h=': `${SIGNATURE.replace('h=from', `h=from${':a'.repeat(1_900)}`).repeat(10)}${FROM}${'a:b\r\n'.repeat(900)}\r\n`,
  tags: `${SIGNATURE.replace('h=from', `h=from;${'a=b;'.repeat(900)}`).repeat(10)}${FROM}\r\n`,
  'From fields': `${SIGNATURE}${'From: a@b.example\r\n'.repeat(990)}\r\n`,
  'groups in From': `${header(`${SIGNATURE}From: `, 'a:b,')}\r\n\r\n`,
  'open groups in From': `${header(`${SIGNATURE}From: `, 'a:')}\r\n\r\n`,
  'comments in From': `${header(`${SIGNATURE}From: `, '(')}\r\n\r\n`,
  'quotes in From': `${header(`${SIGNATURE}From: `, '"\\')}\r\n\r\n`,
  'labels in From (tldts)': `${header(`${SIGNATURE}From: a@`, 'a.')}example\r\n\r\n`,
  'groups in Return-Path': `${header(`${SIGNATURE}${FROM}Return-Path: `, 'a:b,')}\r\n\r\n`,
  'parameters of Content-Type (libmime)': `${header(`${SIGNATURE}${FROM}Content-Type: multipart/mixed; `, 'a*1=b; ')}\r\n\r\n`,
  'white space': `${header(`${SIGNATURE.replace('h=from', 'h=from:x')}${FROM}X: a`, ' \t')}b\r\n\r\n`,
  'comments in ARC results': `${header(`${FROM}${ARC_SET}ARC-Authentication-Results: i=1; `, '(a)')}\r\n\r\n`,
  'quotes in ARC results': `${header(`${FROM}${ARC_SET}ARC-Authentication-Results: i=1; dkim=`, '"\\')}\r\n\r\n`,
  'empty lines in the body': `${SIGNATURE}${FROM}\r\n${'\r\n'.repeat(MEGABYTE / 2)}`,
  'one line of white space': `${SIGNATURE}${FROM}\r\n${' \t'.repeat(MEGABYTE / 2)}`,
  'lines of white space': `${SIGNATURE}${FROM}\r\n${' \r\n'.repeat(MEGABYTE / 3)}`,
  'delimiters in the body': `${SIGNATURE}${FROM}Content-Type: multipart/mixed; boundary=b\r\n\r\n${'\r\n--b'.repeat(MEGABYTE / 5)}`,
}

/** The largest TXT record that TCP carries, and names that no query can carry. */
const records = ['v=DKIM1; p='.padEnd(65_000, 'A')]
const verifier = createSignatureVerifier(() => Promise.resolve([records]), { timeLimitMs: HANG_MS })
const reader = createMimeReader({ timeLimitMs: HANG_MS })
afterAll(() => Promise.all([verifier.close(), reader.close()]))

test.each(Object.entries(SIGNED_MAILS))('mailauth at its caps: %s', { timeout: HANG_MS }, async (_what, raw) => {
  const { dkim } = await verifier.verify({ raw: bytes(raw), peer: null, helo: null, from: '' }, Date.UTC(2026, 10, 20))
  const results = new Set(dkim.map(({ result }) => result))
  // It was neither ended (temperror) nor kept away (policy), and proves nothing.
  expect([results.has('temperror'), results.has('policy'), dkim.some(({ valid }) => valid)]).toEqual([false, false, false])
})

const MIME_MAILS: Readonly<Record<string, string>> = {
  'nested multiparts': Array.from({ length: 2_000 }, (_one, n) => `Content-Type: multipart/mixed; boundary=b${n}\r\n\r\n--b${n}\r\n`).join(
    '',
  ),
  'many parts': `Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\nx\r\n'.repeat(20_000)}`,
  'many addresses': `To: ${'a@b.example, '.repeat(5_000)}\r\n\r\nx`,
  'open groups': `To: ${'a:'.repeat(30_000)}\r\n\r\nx`,
  'parameters (RFC 2231)': `Content-Type: text/plain; ${'a*1*=b; '.repeat(8_000)}\r\n\r\nx`,
  'encoded words': `Subject: ${'=?utf-8?q?a?= '.repeat(5_000)}\r\n\r\nx`,
  'folded lines': `X: a\r\n${' b\r\n'.repeat(15_000)}\r\nx`,
  tags: `Content-Type: text/html\r\n\r\n${'<p "'.repeat(MEGABYTE / 4)}`,
  'soft line breaks': `Content-Transfer-Encoding: quoted-printable\r\n\r\n${'=\r\n'.repeat(MEGABYTE / 3)}`,
}

test.each(Object.entries(MIME_MAILS))('mailparser in its thread: %s', { timeout: HANG_MS }, async (_what, raw) => {
  const content = await reader.read(1, bytes(raw))
  expect(content.html.length + content.text.length).toBeLessThanOrEqual(2 * MEGABYTE)
})

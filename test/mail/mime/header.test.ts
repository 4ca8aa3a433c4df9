/** header.test - fields, encoded words and parameters, malformed ones included */
import fc from 'fast-check'
import libmime from 'libmime'
import { expect, test } from 'vitest'
import { decodeEncodedWords } from '../../../src/mail/mime/encoded-word.ts'
import { getHeaders, getHeaderEntries, getRawHeader, toHeaderRecord, parseFields } from '../../../src/mail/mime/header.ts'
import { parseMime } from '../../../src/mail/mime/mime.ts'
import { parseParameters } from '../../../src/mail/mime/parameter.ts'

const headersOf = (text: string) => parseMime(Buffer.from(text, 'latin1')).root.headers

const values: readonly (readonly [string, string | null])[] = [
  // the block                                                   its subject
  ['Subject: x\n\nbody', 'x'],
  ['SUBJECT :  x  \n', 'x'],
  ['Subject: a\n b\n\tc\n', 'a b c'],
  ['Subject: a\r\n b\r\n\r\n', 'a b'],
  ['Subject:\n x\n', 'x'],
  ['Subject:\n', ''],
  ['To: x\n', null],
  ['Subject: first\nSubject: second\n', 'first'],
  ['Subject: =?utf-8?q?Zur=C3=BCck?=\n', 'Zurück'],
  ['Subject: =?iso-2022-jp?B?GyRCJWEhPCVrGyhC?=\n', 'メール'],
  ['Subject: =?utf-8?B?w6Q=?=\n =?utf-8?B?w7Y=?=\n', 'äö'],
  ['Subject: =?nobody-knows?Q?a?=\n', 'a'],
  ['Subject: =?utf-8?B?w6Q\n', '=?utf-8?B?w6Q'],
  ['Subject: caf\xc3\xa9\n', 'café'],
  ['Subject: \xd3\xca\xcf\xe4\xb2\xbb\xb4\xe6\xd4\xda\n', '邮箱不存在'],
  ['Subject: \x1b$B%a!<%k\x1b(B\n', 'メール'],
  ['Subject: a\0b\n', 'a b'],
  ['From x@example.com Tue Apr  1\nSubject: x\n', 'x'],
  ['>From x@example.com Tue Apr  1\nSubject: x\n', 'x'],
  ['Received: a\nstray words here\nSubject: x\n', 'x'],
  ['Received: a\nstray words here\n\nSubject: x\n', null],
  ['no header\n\nSubject: x\n', null],
]

test.each(values)('subject of %j', (text, want) => expect(getHeaders(headersOf(text), 'subject')[0] ?? null).toBe(want))

test('the body starts at a stray line after the last field', () => {
  const { root, latin1, defects } = parseMime(Buffer.from('Subject: x\nDear sender, no.\n'))
  expect(latin1.slice(root.bodyStart)).toBe('Dear sender, no.\n')
  expect(defects).toEqual(['header without a blank line after it'])
})

test('getHeaders, getHeaderEntries and toHeaderRecord', () => {
  const headers = headersOf('Received: a\nReceived: b\n__proto__: evil\nTo: =?utf-8?q?x?= <a@example.com>\n\n')
  expect(getHeaders(headers, 'received')).toEqual(['a', 'b'])
  expect(getHeaderEntries(headers, 1)).toEqual([['received', 'a']])
  expect(Object.entries(toHeaderRecord(headers))).toEqual([
    ['received', 'a'],
    ['__proto__', 'evil'],
    ['to', 'x <a@example.com>'],
  ])
  expect(Object.keys(toHeaderRecord(headers, 1))).toEqual(['received'])
  expect(getRawHeader(headers, 'to')).toBe('=?utf-8?q?x?= <a@example.com>')
})

const blocks: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  [
    'Action: failed\nStatus: 5.1.1\n',
    [
      ['action', 'failed'],
      ['status', '5.1.1'],
    ],
  ],
  ['\n\nAction: failed\n\nStatus: 5.1.1\n', [['action', 'failed']]],
  [
    '   Action: failed\n   Diagnostic-Code: smtp; 550 a\n      b\n   Status: 5.1.1',
    [
      ['action', 'failed'],
      ['diagnostic-code', 'smtp; 550 a b'],
      ['status', '5.1.1'],
    ],
  ],
  [
    'Diagnostic-Code: smtp; 550 5.1.1\nno such user\nStatus: 5.1.1',
    [
      ['diagnostic-code', 'smtp; 550 5.1.1 no such user'],
      ['status', '5.1.1'],
    ],
  ],
  ['\tFinal-Recipient: rfc822; a@example.com\r\n', [['final-recipient', 'rfc822; a@example.com']]],
  ['To: 邮箱 <a@example.com>', [['to', '邮箱 <a@example.com>']]],
  ['no field here', []],
  ['', []],
]

test.each(blocks)('parseFields %j', (text, fields) => expect(getHeaderEntries(parseFields(text))).toEqual(fields))

test('cuts long values and many fields', () => {
  expect(getHeaders(headersOf(`Subject: ${'x'.repeat(100_000)}\n`), 'subject')[0] ?? null).toHaveLength(8_191)
  expect(headersOf('A: b\n'.repeat(5_000)).fields).toHaveLength(2_000)
  expect(getHeaders(headersOf('A: b\n'.repeat(5_000)), 'a')).toHaveLength(100)
})

const parameters: readonly (readonly [string, string, Readonly<Record<string, string>>])[] = [
  ['text/plain', 'text/plain', {}],
  ['Text/Plain; Charset="utf-8"; x=y', 'text/plain', { charset: 'utf-8', x: 'y' }],
  ['multipart/report; boundary="a;b=\\"c"', 'multipart/report', { boundary: 'a;b="c' }],
  ['multipart/report; boundary="open', 'multipart/report', { boundary: 'open' }],
  ['text/plain (note; x=y); charset=a (b)', 'text/plain', { charset: 'a' }],
  ["text/plain; a*=utf-8'en'%C3%A4; b*0=x; b*1=y", 'text/plain', { a: 'ä', b: 'xy' }],
  ['text/plain; charset=a; charset=b', 'text/plain', { charset: 'a' }],
  ['text/plain;;; =x; y', 'text/plain', {}],
  ['', '', {}],
]

test.each(parameters)('parseParameters %j', (text, value, params) => expect(parseParameters(text)).toEqual({ value, params }))

test('any text gives a value', () => {
  const soup = fc.array(fc.constantFrom('=?', '?=', '?Q?', '?B?', 'utf-8', '\n', ' ', ':', ';', '"', "'", '*0*=', '(', '%', 'A: b'), {
    maxLength: 40,
  })
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        soup.map((all) => all.join('')),
      ),
      (text) => {
        expect(typeof decodeEncodedWords(text)).toBe('string')
        for (const [name, value] of getHeaderEntries(parseFields(text))) expect(typeof `${name}${value}`).toBe('string')
        expect(typeof parseParameters(text).value).toBe('string')
      },
    ),
    { numRuns: 500 },
  )
})

test('encoded words are decoded as libmime decodes them', () => {
  const soup = fc.array(fc.constantFrom('=?utf-8?q?=C3=A4?=', '=?utf-8?B?w6Q=?=', '=?', '?=', '?Q?', 'koi8-r', '_', ' ', '\0', 'x'), {
    maxLength: 6,
  })
  fc.assert(
    fc.property(soup, (all) => {
      expect(decodeEncodedWords(all.join(''))).toBe(libmime.decodeWords(all.join('')))
    }),
    { numRuns: 500 },
  )
})

test('a value is unfolded at every line end', () => {
  const soup = fc.array(fc.constantFrom('\r\n', '\n', '\r', '\0', ' ', '\t', 'ab', '\u000b'), { maxLength: 20 })
  fc.assert(
    fc.property(soup, (all) => {
      const value = all.join('')
      const unfolded = getRawHeader({ fields: [{ name: 'subject', value }], isBytes: false }, 'subject')
      expect(unfolded).toBe(value.replace(/[\r\n\0]+[ \t]*/g, ' ').trim())
    }),
    { numRuns: 500 },
  )
})

/** charset.test - charset labels, undeclared charsets, and dates */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeText } from '../../../src/mail/mime/charset.ts'
import { resolveCharset } from '../../../src/mail/mime/charset-label.ts'
import { parseDate } from '../../../src/mail/mime/date.ts'
import { detectCharset } from '../../../src/mail/mime/charset-detect.ts'

const labels: readonly (readonly [string | null, string | null])[] = [
  ['UTF8', 'utf-8'],
  ['"utf-8"', 'utf-8'],
  ['GB2312', 'gb18030'],
  ['gbk', 'gb18030'],
  ['ks_c_5601-1987', 'euc-kr'],
  ['CP-850', 'cp850'],
  ['cp1252', 'windows-1252'],
  ['win-1251', 'windows-1251'],
  ['iso_8859-1', 'windows-1252'],
  ['iso-8859-8-i', 'iso-8859-8-i'],
  ['us-ascii', ''],
  ['unknown-8bit', ''],
  ['x-unknown', ''],
  [null, ''],
  ['x-nobody', null],
  ['constructor', null],
  ['a'.repeat(100), null],
]

test.each(labels)('resolveCharset %j', (label, want) => expect(resolveCharset(label)).toBe(want))

const guesses: readonly (readonly [string, string, string])[] = [
  ['Chinese', '\xc4\xfa\xb5\xc4\xd3\xca\xbc\xfe\xb1\xbb\xcd\xcb\xbb\xd8', 'gb18030'],
  ['Shift_JIS', '\x82\xb1\x82\xea\x82\xcd\x93\xfa\x96\x7b\x8c\xea\x82\xc5\x82\xb7', 'shift_jis'],
  ['EUC-JP', '\xa4\xb3\xa4\xec\xa4\xcf\xc6\xfc\xcb\xdc\xb8\xec\xa4\xc7\xa4\xb9', 'euc-jp'],
  ['German', 'Zur\xfcck, Empf\xe4nger, gr\xf6\xdfer', 'windows-1252'],
  ['French', 'Le destinataire a \xe9t\xe9 refus\xe9', 'windows-1252'],
  [
    'Korean',
    '\xb9\xde\xb4\xc2 \xbb\xe7\xb6\xf7\xc0\xc7 \xc1\xd6\xbc\xd2\xb0\xa1 \xc1\xb8\xc0\xe7\xc7\xcf\xc1\xf6 \xbe\xca\xbd\xc0\xb4\xcf\xb4\xd9',
    'euc-kr',
  ],
  ['Big5', '\xa6\xac\xa5\xf3\xa4H\xabH\xbdc\xa4w\xba\xa1\xa1A\xb6l\xa5\xf3\xb0h\xa6^', 'big5'],
  ['windows-1251', '\xd2\xe0\xea\xee\xe3\xee \xef\xee\xeb\xfc\xe7\xee\xe2\xe0\xf2\xe5\xeb\xff \xed\xe5\xf2', 'windows-1251'],
  ['KOI8-R', '\xee\xc5\xc4\xcf\xd3\xd4\xc1\xd7\xcc\xc5\xce\xce\xcf\xc5 \xd3\xcf\xcf\xc2\xdd\xc5\xce\xc9\xc5', 'koi8-r'],
  [
    'KOI8-R with words of even length',
    '\xf7\xc1\xdb\xc5 \xd0\xc9\xd3\xd8\xcd\xcf \xce\xc5 \xc2\xd9\xcc\xcf \xc4\xcf\xd3\xd4\xc1\xd7\xcc\xc5\xce\xcf',
    'koi8-r',
  ],
  ['short Chinese', '\xcf\xb5\xcd\xb3\xcd\xcb\xd0\xc5', 'gb18030'],
  ['UTF-8 that was cut', '\xe9\x82\xae\xe7\xae\xb1\xe4\xb8\x8d\xe5', 'utf-8'],
]

test.each(guesses)('detectCharset of %s', (_name, bytes, want) => expect(detectCharset(Buffer.from(bytes, 'latin1'))).toBe(want))

test('any bytes under any label give text', () => {
  const label = fc.oneof(
    fc.constantFrom('utf-7', 'iso-2022-kr', 'hz-gb-2312', 'cp437', 'iso-2022-jp', 'big5', 'utf-16be', ''),
    fc.string(),
    fc.constant(null),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), label, (bytes, name) => {
      expect(typeof decodeText(bytes, name)).toBe('string')
    }),
    { numRuns: 500 },
  )
})

const dates: readonly (readonly [string, string | null])[] = [
  ['Tue, 1 Apr 2025 08:00:00 +0200', '2025-04-01T06:00:00.000Z'],
  ['Tue, 1 Apr 2025 08:00:00 +0200 (CEST)', '2025-04-01T06:00:00.000Z'],
  ['1 Apr 2025 08:00 GMT', '2025-04-01T08:00:00.000Z'],
  ['Tue,  1 Apr 2025 08:00:00 EST', '2025-04-01T13:00:00.000Z'],
  ['Tuesday, 01-Apr-25 08:00:00 UT', '2025-04-01T08:00:00.000Z'],
  ['1 Apr 99 08:00:00 -0000', '1999-04-01T08:00:00.000Z'],
  ['1 Apr 125 08:00:00 +0000', '2025-04-01T08:00:00.000Z'],
  ['Tue Apr  1 08:00:00 2025', '2025-04-01T08:00:00.000Z'],
  ['Tue Apr  1 08:00:00 EDT 2025', '2025-04-01T12:00:00.000Z'],
  ['2025-04-01T08:00:00Z', '2025-04-01T08:00:00.000Z'],
  ['2025-04-01 08:00:00 +01:00', '2025-04-01T07:00:00.000Z'],
  ['31 Feb 2025 08:00:00 GMT', null],
  ['1 Apr 2025 25:00:00 GMT', null],
  ['1 Foo 2025 08:00:00 GMT', null],
  ['yesterday', null],
  ['', null],
]

test.each(dates)('parseDate %j', (text, want) => {
  const at = parseDate(text)
  expect(at === null ? null : new Date(at).toISOString()).toBe(want)
})

test('parseDate reads formatted dates, and any text gives a value', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date('1970-01-01'), max: new Date('2100-01-01'), noInvalidDate: true }), (date) => {
      expect(parseDate(date.toUTCString())).toBe(Math.floor(date.getTime() / 1_000) * 1_000)
    }),
  )
  fc.assert(
    fc.property(fc.string(), (text) => {
      const at = parseDate(text)
      expect(at === null || Number.isSafeInteger(at)).toBe(true)
    }),
  )
})

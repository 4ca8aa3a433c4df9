/** address.test - addresses in fields and text, and A-labels */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { extractAddresses, parseBareAddress, decodeXtext, parseAddress, splitTypedValue } from '../../../src/mail/mime/address.ts'
import { toALabels } from '../../../src/mail/mime/idna.ts'

const addresses: readonly (readonly [string, string | null])[] = [
  ['a@example.com', 'a@example.com'],
  ['  <A@Example.COM> ', 'A@example.com'],
  ['"A, B" <a@example.com>', 'a@example.com'],
  ['"<x@y>" <a@example.com>', 'a@example.com'],
  ['a@example.com (A B)', 'a@example.com'],
  ['(A) a@example.com', 'a@example.com'],
  ["'a@example.com'", 'a@example.com'],
  ['smtp:a@example.com', 'a@example.com'],
  ['<mailto:a@example.com>', 'a@example.com'],
  ['rfc822; a@example.com', 'a@example.com'],
  ['rfc822;<a@example.com>', 'a@example.com'],
  ['@one.example,@two.example:a@example.com', 'a@example.com'],
  ['<@one.example:a@example.com>', 'a@example.com'],
  ['a@example.com.', 'a@example.com'],
  ['"a b"@example.com', '"a b"@example.com'],
  ['"a(b)c"@example.com', '"a(b)c"@example.com'],
  ['rfc822;"a (x) b"@example.com', '"a (x) b"@example.com'],
  ['a@example.com ("A" B)', 'a@example.com'],
  ['"a"@example.com', 'a@example.com'],
  ['"a\\"b"@example.com', '"a\\"b"@example.com'],
  ['a+b=c@example.com', 'a+b=c@example.com'],
  ['a%example.org@example.com', 'a%example.org@example.com'],
  ['a.@example.com', 'a.@example.com'],
  ['a@[192.0.2.1]', 'a@[192.0.2.1]'],
  ['a@localhost', 'a@localhost'],
  ['\\x{5F20}@example.com', '张@example.com'],
  ['a@Müller.example', 'a@xn--mller-kva.example'],
  ['a@xn--mller-kva.example', 'a@xn--mller-kva.example'],
  ['John Doe a@example.com', 'a@example.com'],
  ['<a@example.com', 'a@example.com'],
  ['IMCEAEX-_O=X_CN=Y@example.com', null],
  ['/O=X/OU=Y@example.com', null],
  ['c=US;a= ;p=X;o=Y;s=Z', null],
  ['<>', null],
  ['', null],
  ['@example.com', null],
  ['a@', null],
  ['a@-', null],
  ['a@b..c', null],
  ['a@example.com, b@example.com', null],
  ['undisclosed-recipients:;', null],
]

test.each(addresses)('parseBareAddress %j', (text, want) => expect(parseBareAddress(text)).toBe(want))

test('parseAddress returns local part and domain', () => {
  expect(parseAddress('<a@Example.com>')).toEqual({ local: 'a', domain: 'example.com' })
  expect(parseAddress('x')).toBeNull()
})

const texts: readonly (readonly [string, readonly string[]])[] = [
  ['to <a@example.com>: b@example.org.', ['<a@example.com', 'b@example.org']],
  ['<a@localhost> and b@localhost', ['<a@localhost']],
  ['收件人a@example.com的邮件', ['a@example.com']],
  ['用户@例子.测试', ['用户@xn--fsqu00a.xn--0zwm56d']],
  ['（a@example.com），b@example.org。', ['a@example.com', 'b@example.org']],
  ['rcpt=a@example.com,b@example.org;c@example.net', ['a@example.com', 'b@example.org', 'c@example.net']],
  ["'a@example.com' `b@example.org` *c@example.net*", ['a@example.com', 'b@example.org', 'c@example.net']],
  ['mailto:a@example.com', ['a@example.com']],
  ['<@x.example,@y.example:a@example.com>', ['<a@example.com']],
  ['"a b"@example.com', ['"a b"@example.com']],
  ['a@b@example.com', ['b@example.com']],
  ['@ @@ a@ @b', []],
]

test.each(texts)('extractAddresses %j', (text, want) => {
  expect(extractAddresses(text).map((one) => (one.inBrackets ? '<' : '') + one.address)).toEqual(want)
})

test('extractAddresses returns offsets and at most cap addresses', () => {
  expect(extractAddresses('to a@example.com!')).toEqual([{ address: 'a@example.com', index: 3, end: 16, inBrackets: false }])
  expect(extractAddresses('a@example.com '.repeat(200))).toHaveLength(100)
})

const xtexts: readonly (readonly [string, string])[] = [
  ['a+2Bb+3Dc', 'a+b=c'],
  ['+C3+A4', 'ä'],
  ['a+b', 'a+b'],
  ['', ''],
]

test.each(xtexts)('decodeXtext %j', (text, want) => expect(decodeXtext(text)).toBe(want))

const typed: readonly (readonly [string, string, string])[] = [
  ['rfc822; a@example.com', 'rfc822', 'a@example.com'],
  ['RFC822;a@example.com', 'rfc822', 'a@example.com'],
  ['utf-8; \\x{5F20}@example.com', 'utf-8', '\\x{5F20}@example.com'],
  ['X-Postfix; host said: no; really', 'x-postfix', 'host said: no; really'],
  ['550 5.1.1 no; really', '', '550 5.1.1 no; really'],
  ['a@example.com', '', 'a@example.com'],
]

test.each(typed)('splitTypedValue %j', (text, type, value) => expect(splitTypedValue(text)).toEqual({ type, value }))

test('A-labels equal those of the platform', () => {
  const label = fc.stringMatching(/^[a-zà-öø-žа-яぁ-ん一-龥]{1,20}$/)
  fc.assert(
    fc.property(label, (text) => {
      const want = new URL(`http://${text}.example`).hostname
      expect(toALabels(`${text}.example`)).toBe(want)
    }),
    { numRuns: 300 },
  )
})

test('any text gives a value', () => {
  const soup = fc.array(fc.constantFrom('@', '<', '>', '"', '\\', 'a', '.', ' ', '[', ']', ':', ',', '(', ')', '例', '\\x{41}', 'x.y'), {
    maxLength: 60,
  })
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        soup.map((all) => all.join('')),
      ),
      (text) => {
        const one = parseBareAddress(text)
        expect(one === null ? null : parseBareAddress(one)).toBe(one)
        let floor = 0
        for (const found of extractAddresses(text)) {
          expect(found.index).toBeGreaterThanOrEqual(floor)
          expect(found.end).toBeLessThanOrEqual(text.length)
          floor = found.end
        }
      },
    ),
    { numRuns: 1_000 },
  )
})

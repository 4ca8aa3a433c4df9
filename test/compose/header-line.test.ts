/**
 * header-line.test - fields are folded to short lines, unfold to the same value, and cannot start another field
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { refoldHeaderField, foldHeaderField, splitHeaderFields, fieldValueOf } from '../../src/compose/header-line.ts'
import { encodeBase64Lines, encodeQuotedPrintable } from '../../src/compose/transfer-encoding.ts'
import { decodeTransfer } from '../../src/mail/mime/transfer.ts'

const CASES = [
  // value                              field
  ['Hello', 'X-A: Hello'],
  ['', 'X-A: '],
  ['a\r\nBcc: x', 'X-A: a Bcc: x'],
  ['a\u0000\nb', 'X-A: a b'],
  [`${'a'.repeat(70)} bcd`, `X-A: ${'a'.repeat(70)}\r\n bcd`],
  ['b'.repeat(90), `X-A: ${'b'.repeat(90)}`],
] as const

test.each(CASES)('%j is %j', (value, want) => expect(foldHeaderField('X-A', value)).toBe(want))

test('any value becomes one field in short lines, and unfolds to itself except for controls and long words', () => {
  const value = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '\t', ':', '\r', '\n', '\u0000', '"', '<'), maxLength: 3_000 })
  fc.assert(
    fc.property(value, (text) => {
      const field = foldHeaderField('X-A', text)
      expect(field.split('\r\n').every((line) => line.length <= 998)).toBe(true)
      expect(
        field
          .split('\r\n')
          .slice(1)
          .every((line) => /^[ \t]/.test(line) && line.trim() !== ''),
      ).toBe(true)
      const [read, ...more] = splitHeaderFields(field)
      expect(more).toEqual([])
      expect(read === undefined ? null : fieldValueOf(read).replaceAll(/\s/g, '')).toBe(text.replaceAll('\u0000', '').replaceAll(/\s/g, ''))
    }),
  )
})

test('a word that does not fit into a line is broken', () => {
  const field = foldHeaderField('X-A', 'x'.repeat(5_000))
  expect(Math.max(...field.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(998)
})

test('a header block is split; lines that are not fields are dropped', () => {
  const block = 'Subject: a\r\n b\r\n\tc\r\nnonsense\r\n folded nonsense\r\nX-B : 2\r\n: none'
  expect(splitHeaderFields(block).map((field) => [field.name, fieldValueOf(field)])).toEqual([
    ['subject', 'a b\tc'],
    ['x-b', '2'],
  ])
})

test('a field with short lines stays byte for byte', () => {
  const [field] = splitHeaderFields('Subject:  a\r\n\t b ')
  expect(field === undefined ? '' : refoldHeaderField(field)).toBe('Subject:  a\r\n\t b ')
})

test('quoted-printable and base64 survive a round trip, in short lines', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '=', ' ', '\t', 'é', '中', '\n', '.'), maxLength: 600 }), (text) => {
      const bytes = Buffer.from(text.replaceAll('\n', '\r\n'))
      const quoted = encodeQuotedPrintable(bytes)
      expect(decodeTransfer(quoted, 'quoted-printable')).toEqual(bytes)
      expect(decodeTransfer(encodeBase64Lines(bytes), 'base64')).toEqual(bytes)
      expect(quoted.split('\r\n').every((line) => line.length <= 76 && /^[\t -~]*$/.test(line))).toBe(true)
    }),
  )
})

/**
 * size-bound.test - an accepted submission can be composed for every recipient; one that may become too large is refused
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canExceedSizeBound } from '../../src/compose/size-bound.ts'
import { MAX_SUBSTITUTED_LENGTH } from '../../src/compose/substitute.ts'
import { substituteWith } from './substitute-with.ts'

const body: Parameters<typeof canExceedSizeBound>[0] = {
  html: null,
  plain: '',
  subject: '',
  fromName: null,
  headers: {},
  sections: {},
  raw: null,
}
const big = 'x'.repeat(1_000_000)
const raw = (text: string): string =>
  Buffer.from(`From: a@example.com\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(text).toString('base64')}`).toString('base64')

const CASES = [
  // content                                                       variables                        too large
  [{ plain: 'Hello %v%' }, [{ '%v%': 'Ann' }], false],
  [{ plain: '%v%'.repeat(20) }, [{ '%v%': big }], false],
  [{ plain: '%v%'.repeat(21) }, [{ '%v%': big }], true],
  [{ html: '%v%'.repeat(21) }, [{ '%v%': 'small' }, { '%v%': big }], true],
  [{ headers: { 'X-A': '%v%' } }, [{ '%v%': big }], true],
  [{ subject: '%v%' }, [{ '%v%': big }], true],
  [{ subject: '%v%' }, [{ '%v%': 'x'.repeat(16_384) }], false],
  [{ plain: '%s%'.repeat(21), sections: { '%s%': '%v%' } }, [{ '%v%': big }], true],
  [{ plain: '%v%'.repeat(21), sections: { '%s%': big } }, [{ '%v%': '%s%' }], true],
  [{ plain: '%v%', sections: { '%s%': '%v%'.repeat(21) } }, [{ '%v%': big }], true],
  [{ raw: raw('%v%'.repeat(20)) }, [{ '%v%': big }], false],
  [{ raw: raw('%v%'.repeat(21)) }, [{ '%v%': big }], true],
] as const

test.each(CASES.map((row, n) => [n, ...row] as const))('case %i', (_, over, recipients, want) => {
  expect(canExceedSizeBound({ ...body, ...over }, recipients)).toBe(want)
})

test('a large mail is searched once for all recipients', () => {
  const plain = '%v% '.repeat(1_000_000)
  const recipients = Array.from({ length: 100 }, (_, n) => ({ '%v%': String(n), '%w%': 'x' }))
  expect(canExceedSizeBound({ ...body, plain }, recipients)).toBe(false)
})

test('large sections are measured without building their texts', () => {
  const names = Array.from({ length: 200 }, (_, n) => `%s${n}%`)
  const sections = Object.fromEntries(names.map((name) => [name, '%v%'.repeat(1_000)]))
  const recipients = Array.from({ length: 100 }, () => ({ '%v%': 'x'.repeat(10_000) }))
  expect(canExceedSizeBound({ ...body, sections, plain: '%s1%' }, recipients)).toBe(false)
  expect(canExceedSizeBound({ ...body, sections, plain: '%s1%%s2%%s3%' }, recipients)).toBe(true)
})

test('the parts of a mail that the sender built are limited together', () => {
  const part = `--b\r\nContent-Type: text/plain\r\n\r\n${'%v%'.repeat(11)}\r\n`
  const of = (parts: number): string =>
    Buffer.from(`From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n${part.repeat(parts)}--b--\r\n`).toString('base64')
  expect(canExceedSizeBound({ ...body, raw: of(1) }, [{ '%v%': big }])).toBe(false)
  expect(canExceedSizeBound({ ...body, raw: of(2) }, [{ '%v%': big }])).toBe(true)
})

test('an accepted submission can be composed for every recipient', () => {
  const texts = fc.dictionary(fc.constantFrom('%a%', '%b%', '%s%'), fc.constantFrom('', 'x', '%s%', '%a%%b%', 'y'.repeat(3_000_000)), {
    maxKeys: 3,
  })
  fc.assert(
    fc.property(
      texts,
      fc.array(texts, { minLength: 1, maxLength: 3 }),
      fc.constantFrom('%a%', '%a%%b%%s%', '%s%%s%%s%%s%%s%%s%%s%%s%'),
      (sections, recipients, plain) => {
        const isAccepted = !canExceedSizeBound({ ...body, plain, sections }, recipients)
        const sizes = recipients.map((variables) => substituteWith(variables, sections)(plain)?.length ?? Infinity)
        expect(!isAccepted || sizes.every((size) => size <= MAX_SUBSTITUTED_LENGTH)).toBe(true)
      },
    ),
    { numRuns: 40 },
  )
})

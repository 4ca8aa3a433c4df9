/**
 * marked-text.test - where the words of a rule stand in a reply, whatever the reply is
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findMarks } from '../../../console/components/marked-text.ts'
import { REASON_KEYS } from '../../../console/texts/verdict-texts.ts'
import { REASONS } from '../../../src/classify/reasons.ts'

const cases = [
  // text, phrases, the marked words
  ['550 User unknown here', ['user unknown'], ['User unknown']],
  ["This user doesn't have a yahoo.com account", ["user doesn't have a * account"], ["user doesn't have a", 'account']],
  ['mailbox\r full', ['mailbox  full'], []],
  ['mailbox\tfull', ['mailbox full'], ['mailbox\tfull']],
  ['over quota, quota exceeded', ['over quota', 'quota, quota'], ['over quota, quota']],
  ['a b', ['*', ''], []],
  ['İ user unknown', ['user unknown'], []],
] as const

test.each(cases)('%j with %j', (text, phrases, want) => {
  expect(findMarks(text, phrases).map(({ from, to }) => text.slice(from, to))).toEqual(want)
})

test('any text and phrases give ranges in order, inside the text, without overlaps', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.array(fc.string({ unit: 'grapheme' })), (text, phrases) => {
      let last = -1
      for (const { from, to } of findMarks(text, phrases)) {
        expect(from).toBeGreaterThan(last)
        expect(to).toBeLessThanOrEqual(text.length)
        last = to
      }
    }),
  )
})

test('the search offers every reason', () => expect([...REASON_KEYS]).toEqual(Object.keys(REASONS)))

/**
 * phrase-index.test - the phrase index compared with a naive matcher
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createPhraseIndex } from '../../src/classify/phrase-index.ts'
import {
  continuesWord,
  isWordCharCode,
  MAX_GAP_LENGTH,
  MAX_RULE_TEXT_LENGTH,
  normaliseText,
  parsePhrase,
  type Phrase,
  type Segment,
} from '../../src/classify/phrase.ts'

function startsOf(segment: Segment, text: string): number[] {
  return [...text.split('').keys()].filter((start) => {
    const end = start + segment.text.length
    if (text.slice(start, end) !== segment.text) return false
    if (segment.requiresBoundaryBefore && start > 0 && isWordCharCode(text.charCodeAt(start - 1))) return false
    return !(segment.requiresBoundaryAfter && end < text.length && continuesWord(text.charCodeAt(end)))
  })
}

/** Tries every position of every segment, without an index. */
function matches(phrase: Phrase, text: string, part = 0, from: number | null = null): boolean {
  const segment = phrase.segments[part]
  if (segment === undefined) return true
  return startsOf(segment, text).some(
    (start) =>
      (from === null || (start >= from && start - from <= MAX_GAP_LENGTH)) && matches(phrase, text, part + 1, start + segment.text.length),
  )
}

const naive = (phrases: readonly Phrase[], text: string): number[] =>
  [...phrases.keys()].filter((at) => phrases[at] !== undefined && matches(phrases[at], text))

/** Few letters, so that segments overlap, repeat and nearly match. */
const piece = fc.string({ unit: fc.constantFrom('a', 'b', 'ab', ' ', '邮', '箱', '-', '5', '@'), minLength: 2, maxLength: 7 })
const source = fc
  .array(piece, { minLength: 1, maxLength: 3 })
  .chain((pieces) => fc.constantFrom('*', ' * ', ' *').map((gap) => pieces.join(gap)))
  .filter((text) => {
    try {
      return parsePhrase(text).segments.length > 0
    } catch {
      return false
    }
  })
const haystack = fc.string({ unit: fc.constantFrom('a', 'b', 'ab', ' ', '邮', '箱', '-', '5', '@', 'c'.repeat(40)), maxLength: 120 })

describe('phrase index', () => {
  test('finds what a naive matcher finds', () => {
    fc.assert(
      fc.property(fc.array(source, { maxLength: 25 }), haystack, (sources, raw) => {
        const phrases = sources.map(parsePhrase)
        const text = normaliseText(raw)
        expect(createPhraseIndex(phrases).findPhrases(text)).toEqual(naive(phrases, text))
      }),
      { numRuns: 1_000 },
    )
  })

  test('finds the same phrases in any order of phrases', () => {
    fc.assert(
      fc.property(fc.uniqueArray(source, { maxLength: 15 }), haystack, (sources, raw) => {
        const found = (list: readonly string[]): Set<string | undefined> =>
          new Set(
            createPhraseIndex(list.map(parsePhrase))
              .findPhrases(normaliseText(raw))
              .map((at) => list[at]),
          )
        expect(found(sources.toReversed())).toEqual(found(sources))
      }),
    )
  })

  const cases = [
    // phrase              text                                         match
    ['user unknown', 'user unknown', true],
    ['user unknown', 'superuser unknownx', false],
    ['user unknown', '(user unknown)', true],
    ['blocklist*', 'our blocklisted hosts', true],
    ['blocklist', 'our blocklisted hosts', false],
    ['*quota', 'überquota', true],
    ['quota', '<quota@example.com>', false],
    ['quota*', '<quota@example.com>', true],
    ['unknown user', 'unknown user <ann@example.com>', true],
    ['listed at * example', 'listed at bl.example', true],
    ['listed at * example', `listed at ${'x'.repeat(MAX_GAP_LENGTH - 1)} example`, false],
    ['listed at * example', `listed at ${'x'.repeat(MAX_GAP_LENGTH - 2)} example`, true],
    ['aa*aa', 'aaa', false],
    ['aa*aa', 'aaaa', true],
    ['邮箱已满', '收件人邮箱已满了', true],
    ['boîte pleine', 'BOITE PLEINE', true],
    ['«voll»', '"voll"', true],
    ['mail box', 'mail\u00ad\r\n   box', true],
    ['いっぱい', 'メールボックスがいっ ぱいです', true],
    ['５５０', '550', true],
    ['dolu', 'DOLU', true],
    ['isim', 'İSİM', true],
  ] as const

  test.each(cases)('%s in %s: %s', (phrase, text, expected) => {
    expect(createPhraseIndex([parsePhrase(phrase)]).findPhrases(normaliseText(text)).length > 0).toBe(expected)
  })
})

describe('phrase', () => {
  test.each(['', ' ', '*', ' * ', 'a', 'ab * c'])('%j is refused', (text) => {
    expect(() => parsePhrase(text)).toThrow(/phrase/)
  })

  test('normaliseText is total and bounded', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3_000 }), (text) => {
        expect(normaliseText(text).length).toBeLessThanOrEqual(MAX_RULE_TEXT_LENGTH)
      }),
    )
  })
})

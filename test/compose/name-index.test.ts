/**
 * name-index.test - leftmost and longest names, in time that depends on the length of the text alone
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findOccurrences, createNameIndex } from '../../src/compose/name-index.ts'

/** The most occurrences in one text. */
const MAX_OCCURRENCES = 1_048_576

/** The occurrences by a naive search. */
function searchNaively(names: readonly string[], text: string): readonly (readonly [number, string])[] {
  const longest = names.filter((name) => name !== '').toSorted((a, b) => b.length - a.length)
  const found: (readonly [number, string])[] = []
  for (let at = 0; at < text.length;) {
    const name = longest.find((each) => text.startsWith(each, at))
    if (name !== undefined) found.push([at, name])
    at += name?.length ?? 1
  }
  return found
}

function search(
  names: readonly string[],
  text: string,
): { readonly found: readonly (readonly [number, string])[]; readonly steps: number } {
  const index = createNameIndex(names)
  const occurrences = findOccurrences(index, text)
  if (occurrences === null) throw new Error('too many occurrences')
  return {
    found: occurrences.starts.map((start, n) => [start, index.names[occurrences.nameNumbers[n] ?? 0] ?? '']),
    steps: occurrences.steps,
  }
}

test('finds what a naive search finds, in at most two steps for each character', () => {
  const few = fc.string({ unit: fc.constantFrom('a', 'b', '%'), maxLength: 8 })
  fc.assert(
    fc.property(
      fc.array(few, { maxLength: 12 }),
      fc.string({ unit: fc.constantFrom('a', 'b', '%', 'ü'), maxLength: 200 }),
      (names, text) => {
        const { found, steps } = search(names, text)
        expect(found).toEqual(searchNaively(names, text))
        expect(steps).toBeLessThanOrEqual(2 * text.length)
      },
    ),
    { numRuns: 2_000 },
  )
})

const shared = Array.from({ length: 250 }, (_, n) => `%${'n'.repeat(20)}${n}%`)
const HOSTILE = [
  // attack                           names                                                          text
  ['names that share a beginning', shared, '%nnnnnnnnnnnnnnnnnnn'.repeat(5_000)],
  ['names that share an end', shared.map((name) => name.split('').toReversed().join('')), 'nnnnnnnnnnnnnnnnnnn%'.repeat(5_000)],
  ['names within each other', Array.from({ length: 128 }, (_, n) => 'a'.repeat(n + 1)), 'a'.repeat(100_000)],
  ['a short name in a long one that never ends', ['a', `${'a'.repeat(127)}b`], 'a'.repeat(100_000)],
  ['a long one that never begins', ['a', `b${'a'.repeat(127)}`], 'a'.repeat(100_000)],
  ['many names that do not occur', Array.from({ length: 256 }, (_, n) => `%name${n}%`), 'lorem ipsum '.repeat(9_000)],
] as const

test.each(HOSTILE)('%s: at most two steps for each character', (_, names, text) => {
  expect(search(names, text).steps).toBeLessThanOrEqual(2 * text.length)
})

test('a text with too many occurrences is refused', () => {
  const index = createNameIndex(['a'])
  expect(findOccurrences(index, 'a'.repeat(MAX_OCCURRENCES))?.starts.length).toBe(MAX_OCCURRENCES)
  expect(findOccurrences(index, 'a'.repeat(MAX_OCCURRENCES + 1))).toBeNull()
})

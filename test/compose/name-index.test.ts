/**
 * name-index.test - the longest name at each point, from left to right, in steps that grow with the text alone
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { findOccurrences, createNameIndex, MAX_OCCURRENCES } from '../../src/compose/name-index.ts'

/** What stands where, told slowly. */
function told(names: readonly string[], text: string): readonly (readonly [number, string])[] {
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
  const places = findOccurrences(index, text)
  if (places === null) throw new Error('more places than may be')
  return { found: places.starts.map((start, n) => [start, index.names[places.nameNumbers[n] ?? 0] ?? '']), steps: places.steps }
}

test('finds what a slow search finds, in at most twice as many steps as the text has characters', () => {
  const few = fc.string({ unit: fc.constantFrom('a', 'b', '%'), maxLength: 8 })
  fc.assert(
    fc.property(
      fc.array(few, { maxLength: 12 }),
      fc.string({ unit: fc.constantFrom('a', 'b', '%', 'ü'), maxLength: 200 }),
      (names, text) => {
        const { found, steps } = search(names, text)
        expect(found).toEqual(told(names, text))
        expect(steps).toBeLessThanOrEqual(2 * text.length)
      },
    ),
    { numRuns: 2_000 },
  )
})

const shared = Array.from({ length: 250 }, (_, n) => `%${'n'.repeat(20)}${n}%`)
const HOSTILE = [
  // what is sent                     names                                                          text
  ['names that share a beginning', shared, '%nnnnnnnnnnnnnnnnnnn'.repeat(5_000)],
  ['names that share an end', shared.map((name) => name.split('').toReversed().join('')), 'nnnnnnnnnnnnnnnnnnn%'.repeat(5_000)],
  ['names within each other', Array.from({ length: 128 }, (_, n) => 'a'.repeat(n + 1)), 'a'.repeat(100_000)],
  ['a short name in a long one that never ends', ['a', `${'a'.repeat(127)}b`], 'a'.repeat(100_000)],
  ['a long one that never begins', ['a', `b${'a'.repeat(127)}`], 'a'.repeat(100_000)],
  ['many names and none of them there', Array.from({ length: 256 }, (_, n) => `%name${n}%`), 'lorem ipsum '.repeat(9_000)],
] as const

test.each(HOSTILE)('%s cost no more than twice the text', (_, names, text) => {
  expect(search(names, text).steps).toBeLessThanOrEqual(2 * text.length)
})

test('a text with more places than may be is told', () => {
  const index = createNameIndex(['a'])
  expect(findOccurrences(index, 'a'.repeat(MAX_OCCURRENCES))?.starts.length).toBe(MAX_OCCURRENCES)
  expect(findOccurrences(index, 'a'.repeat(MAX_OCCURRENCES + 1))).toBeNull()
})

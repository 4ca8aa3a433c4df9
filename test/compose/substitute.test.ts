/**
 * substitute.test - variables and sections are substituted once, within bounds, and cannot start a header
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSubstitutionTemplate, toHeaderText } from '../../src/compose/substitute.ts'
import { substituteWith } from './substitute-with.ts'

const CASES = [
  // text                          variables                                       sections                       want
  ['Hello %name%', { '%name%': 'Ann' }, {}, 'Hello Ann'],
  ['%name%%name%', { '%name%': 'x' }, {}, 'xx'],
  ['Hello %name%', {}, {}, 'Hello %name%'],
  ['%a%', { '%a%': '%b%', '%b%': 'no' }, {}, '%b%'],
  ['%name% and %names%', { '%name%': 'one', '%names%': 'two' }, {}, 'one and two'],
  ['-x-', { x: 'short', '-x-': 'long' }, {}, 'long'],
  ['%greet%!', { '%greet%': '%formal%', '%name%': 'Ann' }, { '%formal%': 'Dear %name%' }, 'Dear Ann!'],
  ['%formal%!', { '%name%': 'Ann' }, { '%formal%': 'Dear %name%' }, 'Dear Ann!'],
  ['%loop%', {}, { '%loop%': '%loop%%loop%' }, '%loop%%loop%'],
  ['%v%', { '%v%': '<b>&"' }, {}, '<b>&"'],
  ['$& $1', { $1: '$&' }, {}, '$& $&'],
  ['a.c abc', { 'a.c': 'dot' }, {}, 'dot abc'],
  ['text', { '': 'nothing' }, { '': 'nothing' }, 'text'],
  ['%p%', { '%p%': 'own' }, { '%p%': 'shared' }, 'own'],
] as const

test.each(CASES)('%j with %j and %j is %j', (text, variables, sections, want) => {
  expect(substituteWith({ ...variables }, { ...sections })(text)).toBe(want)
})

test('a text that exceeds the limit is refused, however it grows', () => {
  const big = 'x'.repeat(40)
  expect(substituteWith({ '%v%': big }, {}, 100)('%v%%v%')).toBe(big + big)
  expect(substituteWith({ '%v%': big }, {}, 100)('%v%%v%%v%')).toBeNull()
  expect(substituteWith({ '%v%': big }, { '%s%': '%v%%v%%v%' }, 100)('%s%')).toBeNull()
  expect(substituteWith({}, {}, 3)('long')).toBeNull()
})

test('names and values are literal: the same as splitting and joining', () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 60 }),
      fc.string({ minLength: 1, maxLength: 4 }),
      fc.string({ maxLength: 20 }),
      (text, name, value) => {
        expect(substituteWith(Object.fromEntries([[name, value]]))(text)).toBe(text.split(name).join(value))
      },
    ),
  )
})

/** One pass with an alternation: the obvious implementation. */
function naive(text: string, by: ReadonlyMap<string, string>): string {
  const names = [...by.keys()].filter((name) => name !== '').toSorted((a, b) => b.length - a.length)
  if (names.length === 0) return text
  const pattern = names.map((name) => name.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&')).join('|')
  return text.replaceAll(new RegExp(pattern, 'g'), (name) => by.get(name) ?? '')
}

const names = fc.string({ unit: fc.constantFrom('%', 'a', 'b', '$', '.'), maxLength: 4 })
const texts = fc.dictionary(names, fc.string({ unit: fc.constantFrom('%', 'a', 'b', '$', 'z'), maxLength: 12 }), { maxKeys: 6 })

test('gives the same as replacing by an alternation, for each of several recipients', () => {
  fc.assert(
    fc.property(
      texts,
      texts,
      fc.string({ unit: fc.constantFrom('%', 'a', 'b', '$', '.', 'z'), maxLength: 80 }),
      (first, sections, text) => {
        const template = createSubstitutionTemplate({ names: Object.keys(first), sections })
        for (const variables of [first, Object.fromEntries(Object.entries(first).map(([name, value]) => [name, `${value}%a`]))]) {
          const own = new Map(Object.entries(variables))
          const shared = new Map(Object.entries(sections).filter(([name]) => !own.has(name)))
          const expanded = new Map([...shared].map(([name, each]) => [name, naive(each, own)]))
          const values = new Map([...own].map(([name, each]) => [name, naive(each, expanded)]))
          const all = new Map([...expanded, ...values])
          expect(template.bind(variables)(text)).toBe(naive(text, all))
          for (const [name, each] of all) expect(template.measure(variables)(name)).toBe(each.length)
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('total: any names and values give a text within the limit, or null', () => {
  const anyTexts = fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ maxLength: 30 }), { maxKeys: 5 })
  fc.assert(
    fc.property(anyTexts, anyTexts, fc.string({ maxLength: 100 }), (variables, sections, text) => {
      const substituted = substituteWith(variables, sections, 200)(text)
      expect(substituted === null || substituted.length <= 200).toBe(true)
    }),
  )
})

test('a header text is one line', () => {
  expect(toHeaderText('Hello\r\nBcc: all@example.com\n\nx\u0000y')).toBe('Hello Bcc: all@example.com x y')
})

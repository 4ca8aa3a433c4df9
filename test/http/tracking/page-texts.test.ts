/**
 * page-texts.test - every language has every text, and a reader gets his own
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { parse } from 'smol-toml'
import { expect, test } from 'vitest'
import { pickPageTexts } from '../../../src/http/tracking/page-texts.ts'

const file = join(import.meta.dirname, '../../../src/http/tracking/page-texts.toml')
const languages = Object.entries(parse(readFileSync(file, 'utf8')))
const english = pickPageTexts('en')

/** The languages of the phrases in src/rules and of the requests that mail/feedback recognises. */
const RULES_READ = ['en de fr es it pt nl sv da nb fi pl cs hu ro hr el tr ru uk lt lv et vi th ar he zh-CN zh-TW ja ko'].flatMap((all) =>
  all.split(' '),
)

test('every language that the rules read has its texts', () => {
  expect(languages.map(([name]) => name).toSorted()).toEqual(RULES_READ.toSorted())
})

const textsOf = (value: unknown): readonly string[] =>
  Object.values(Object(value)).flatMap((text: unknown) => (Array.isArray(text) ? text.map(String) : [String(text)]))

test.each(languages)('%s has every text, and none is left in English', (name, value) => {
  expect(Object.keys(Object(value)).toSorted()).toEqual(
    Object.keys(english)
      .filter((key) => key !== 'language' && key !== 'direction')
      .toSorted(),
  )
  const texts = textsOf(value)
  expect(texts).toHaveLength(19)
  const englishTexts = new Set(textsOf(english))
  expect(name === 'en' ? [] : texts.filter((text) => text.includes(' ') && englishTexts.has(text))).toEqual([])
  expect(texts.filter((text) => text !== text.trim() || /[<>&]/.test(text))).toEqual([])
})

test.each([
  // Accept-Language                           language
  [undefined, 'en'],
  ['', 'en'],
  ['*', 'en'],
  ['de', 'de'],
  ['de-AT', 'de'],
  ['fr-CH, fr;q=0.9, en;q=0.8, *;q=0.5', 'fr'],
  ['en;q=0.1, ja;q=0.9', 'ja'],
  ['xx, ko', 'ko'],
  ['de;q=0, fr;q=0.1', 'fr'],
  ['zh', 'zh-CN'],
  ['zh-Hans-SG', 'zh-CN'],
  ['zh-TW', 'zh-TW'],
  ['zh-Hant-HK', 'zh-TW'],
  ['zh-HK, en', 'zh-TW'],
  ['pt-BR', 'pt'],
  ['nn-NO', 'nb'],
  ['no', 'nb'],
  ['iw', 'he'],
  ['__proto__', 'en'],
  ['de;q=zzz', 'de'],
  [`${'xx,'.repeat(500)}de`, 'en'],
] as const)('%j → %s', (header, want) => expect(pickPageTexts(header).language).toBe(want))

test('Arabic and Hebrew are written from right to left', () => {
  expect(['ar', 'he', 'de'].map((header) => pickPageTexts(header).direction)).toEqual(['rtl', 'rtl', 'ltr'])
})

test('any header gives a language', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (header) => {
      expect(RULES_READ).toContain(pickPageTexts(header).language)
    }),
  )
})

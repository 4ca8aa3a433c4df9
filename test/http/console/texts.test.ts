/**
 * texts.test - the texts of the console: the same keys and placeholders in both languages, and no text left in English
 */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'

const FOLDER = join(import.meta.dirname, '../../../console')
const FILES = globSync('{texts,pages}/**/*-texts.ts', { cwd: FOLDER })
  .filter((path) => !path.endsWith('define-texts.ts'))
  .toSorted()

type Tables = { readonly en: Readonly<Record<string, string>>; readonly zh: Readonly<Record<string, string>> }

const placeholdersOf = (text: string): readonly string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name).toSorted()

/** Words that Chinese readers know in Latin letters. */
const hasChinese = (text: string): boolean => /\p{Script=Han}/u.test(text)

test('there are texts', () => expect(FILES.length).toBeGreaterThan(4))

describe.each(FILES)('%s', (file) => {
  const load = async (): Promise<readonly Tables[]> => {
    const module: Record<string, { readonly tables?: Tables }> = await import(pathToFileURL(join(FOLDER, file)).href)
    const tables = Object.values(module).flatMap((each) => each.tables ?? [])
    expect(tables).toHaveLength(1)
    return tables
  }

  test('has the same keys and placeholders in both languages, and no empty text', async () => {
    for (const { en, zh } of await load()) {
      expect(Object.keys(zh).toSorted()).toEqual(Object.keys(en).toSorted())
      for (const [key, text] of Object.entries(en)) {
        expect([key, placeholdersOf(zh[key] ?? '')]).toEqual([key, placeholdersOf(text)])
        expect([key, text.trim() === '', (zh[key] ?? '').trim() === '']).toEqual([key, false, false])
      }
    }
  })

  test('has no English sentence in the Chinese table', async () => {
    for (const { zh } of await load())
      expect(
        Object.entries(zh).filter(([, text]) => /[a-z]{3,} [a-z]{2,}/i.test(text.replaceAll(/\{\w+\}/g, '')) && !hasChinese(text)),
      ).toEqual([])
  })
})

/**
 * define-texts - the texts of a page in English and in Chinese
 *
 *     const t = defineTexts({ en: { sent: '{n} sent' }, zh: { sent: '已发送 {n}' } })
 *     t('sent', { n: 3 })
 *
 * The compiler reports a key that one of the tables lacks, and a test compares the placeholders. A component that calls `t` is shown again when
 * the language changes. A page keeps its texts beside it, in `NAME-texts.ts`, so that they are loaded with it.
 */
import { language, type Language } from '../app/preferences.ts'

type Values = Readonly<Record<string, string | number>>

type Translate<Key extends string> = ((key: Key, values?: Values) => string) & {
  readonly tables: Readonly<Record<Language, Readonly<Record<Key, string>>>>
  /** Whether a text exists for a key that comes from data. */
  readonly has: (key: string) => key is Key
  /** A word of the API: its text, or the word as it is. */
  readonly word: (word: string) => string
}

export function defineTexts<Key extends string>(tables: {
  readonly en: Readonly<Record<Key, string>>
  readonly zh: Readonly<Record<NoInfer<Key>, string>>
}): Translate<Key> {
  const translate = (key: Key, values: Values = {}): string =>
    tables[language.value][key].replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name]
      return typeof value === 'number' ? value.toLocaleString(language.value) : (value ?? '')
    })
  const has = (key: string): key is Key => Object.hasOwn(tables.en, key)
  return Object.assign(translate, { tables, has, word: (word: string) => (has(word) ? translate(word) : word) })
}

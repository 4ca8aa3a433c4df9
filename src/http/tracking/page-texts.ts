/**
 * page-texts - the texts of the pages for recipients, in the languages that our rules read
 *
 * See also: http/tracking/page-texts.toml (the data), http/tracking/page-language (which language a reader gets).
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'smol-toml'
import { z } from 'zod'
import { Fault } from '../../errors.ts'
import { pickLanguage } from './page-language.ts'

const text = z.string().min(1).max(200)

const textsSchema = z.strictObject({
  unsubscribe: text,
  question: text,
  sender: text,
  address: text,
  reason: text,
  reasons: z.tuple([text, text, text, text]),
  done: text,
  doneText: text,
  undoText: text,
  undo: text,
  undone: text,
  undoneText: text,
  late: text,
  broken: text,
  brokenText: text,
  busy: text,
})

/** `language` is a BCP 47 tag. */
export type PageTexts = z.output<typeof textsSchema> & { readonly language: string; readonly direction: 'ltr' | 'rtl' }

/** Languages that are written from right to left. */
const RIGHT_TO_LEFT: ReadonlySet<string> = new Set(['ar', 'he'])

const FILE = join(import.meta.dirname, 'page-texts.toml')

const TEXTS: ReadonlyMap<string, PageTexts> = readTexts()

/** English is the language of a reader whose languages we do not have. */
const LANGUAGES: readonly [string, ...string[]] = ['en', ...[...TEXTS.keys()].filter((each) => each !== 'en')]

/** The texts in the language that an Accept-Language header asks for. Total. */
export function pickPageTexts(acceptLanguage: string | undefined): PageTexts {
  const found = TEXTS.get(pickLanguage(acceptLanguage, LANGUAGES))
  if (found === undefined) throw new Fault('internal', 'page-texts.toml has no English texts')
  return found
}

function readTexts(): ReadonlyMap<string, PageTexts> {
  try {
    const languages = z.record(z.string(), textsSchema).parse(parse(readFileSync(FILE, 'utf8')))
    return new Map(
      Object.entries(languages).map(([language, texts]) => [
        language,
        { ...texts, language, direction: RIGHT_TO_LEFT.has(language) ? 'rtl' : 'ltr' },
      ]),
    )
  } catch (cause) {
    throw new Fault('config_invalid', `${FILE}: ${cause instanceof Error ? cause.message : 'cannot be read'}`, { cause })
  }
}

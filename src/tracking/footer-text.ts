/**
 * footer-text - the unsubscribe footer of a mail, in the language of the mail
 *
 * The language is the one that the mail declares, or the one of its charset or script, or English. In HTML, letters beyond ASCII are character
 * references, so that the footer is right in any charset.
 *
 * Pure, total. BCP 47. See also: tracking/text-edits.
 */
import type { InsertedText } from './tracking-slot.ts'

type FooterText = { readonly sentence: string; readonly label: string }

const FOOTERS = {
  en: { sentence: 'You do not want these emails any more?', label: 'Unsubscribe' },
  zh: { sentence: '如果您不想再收到此类邮件，请点击', label: '退订' },
  'zh-tw': { sentence: '如果您不想再收到此類郵件，請點選', label: '取消訂閱' },
  ja: { sentence: 'このようなメールの受信を希望されない場合:', label: '配信停止' },
  ko: { sentence: '이러한 이메일을 더 이상 원하지 않으시면:', label: '수신 거부' },
  de: { sentence: 'Sie möchten diese E-Mails nicht mehr erhalten?', label: 'Abmelden' },
  fr: { sentence: 'Vous ne souhaitez plus recevoir ces e-mails ?', label: 'Se désabonner' },
  es: { sentence: '¿No desea recibir más estos correos?', label: 'Cancelar suscripción' },
  pt: { sentence: 'Não quer mais receber estes e-mails?', label: 'Cancelar inscrição' },
  it: { sentence: 'Non desidera più ricevere queste e-mail?', label: "Annulla l'iscrizione" },
  nl: { sentence: 'Wilt u deze e-mails niet meer ontvangen?', label: 'Afmelden' },
  pl: { sentence: 'Nie chcesz już otrzymywać tych wiadomości?', label: 'Wypisz się' },
  ru: { sentence: 'Не хотите больше получать эти письма?', label: 'Отписаться' },
  uk: { sentence: 'Не бажаєте більше отримувати ці листи?', label: 'Відписатися' },
  tr: { sentence: 'Bu e-postaları artık almak istemiyor musunuz?', label: 'Abonelikten çık' },
} as const satisfies Readonly<Record<string, FooterText>>

export type FooterLanguage = keyof typeof FOOTERS

const isFooterLanguage = (tag: string): tag is FooterLanguage => Object.hasOwn(FOOTERS, tag)

/** Charsets of one language. */
const CHARSET_LANGUAGES: Readonly<Record<string, FooterLanguage>> = {
  gbk: 'zh',
  gb18030: 'zh',
  big5: 'zh-tw',
  'iso-2022-jp': 'ja',
  shift_jis: 'ja',
  'euc-jp': 'ja',
  'euc-kr': 'ko',
  'koi8-r': 'ru',
  'koi8-u': 'uk',
  'windows-1251': 'ru',
  'iso-8859-5': 'ru',
  'windows-1254': 'tr',
}

/** Scripts of one language, the most specific first: Japanese has Han characters too. */
const SCRIPTS: readonly (readonly [RegExp, FooterLanguage])[] = [
  [/[\p{Script=Hiragana}\p{Script=Katakana}]/u, 'ja'],
  [/\p{Script=Hangul}/u, 'ko'],
  [/\p{Script=Han}/u, 'zh'],
  [/[іїєґ]/iu, 'uk'],
  [/\p{Script=Cyrillic}/u, 'ru'],
]
/** In characters. The first lines of a mail show its script. */
const SCRIPT_SAMPLE_LENGTH = 20_000

type LanguageHints = {
  /** Language tags that the mail declares, the most specific first. */
  readonly declared: readonly (string | null)[]
  readonly charset: string
  /** The text in Unicode, or '' if it cannot be read. */
  readonly text: string
}

/** The language of the footer. Total. */
export function footerLanguageOf({ declared, charset, text }: LanguageHints): FooterLanguage {
  const named = declared.flatMap((tag) => languageOfTag(tag ?? '') ?? [])
  const sample = text.slice(0, SCRIPT_SAMPLE_LENGTH)
  return named[0] ?? CHARSET_LANGUAGES[charset] ?? SCRIPTS.find(([script]) => script.test(sample))?.[1] ?? 'en'
}

function languageOfTag(text: string): FooterLanguage | null {
  const tag = text.trim().toLowerCase().replaceAll('_', '-')
  if (/^zh-(?:tw|hk|mo|hant)\b/.test(tag)) return 'zh-tw'
  const primary = tag.split(/[-,;\s]/)[0] ?? ''
  return isFooterLanguage(primary) ? primary : null
}

/** The footer of an HTML part, in ASCII. */
export function htmlFooter(language: FooterLanguage): InsertedText {
  const { sentence, label } = FOOTERS[language]
  const style = 'font:12px/18px sans-serif;color:#767676;text-align:center;margin:16px 0'
  return [
    `<div style="${style}">${toReferences(sentence)} <a href="`,
    { kind: 'unsubscribe' },
    `" style="color:#767676">${toReferences(label)}</a></div>`,
  ]
}

/** The footer of a text part: UTF-8 with one character for each byte. */
export function textFooter(language: FooterLanguage, lineEnd: string): InsertedText {
  const { sentence, label } = FOOTERS[language]
  return [toBytes(`${sentence}${lineEnd}${label}: `), { kind: 'unsubscribe' }, lineEnd]
}

const toReferences = (text: string): string => text.replaceAll(/[^ -~]/gu, (character) => `&#${character.codePointAt(0)};`)

const toBytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

/**
 * text-edits - what tracking changes in the text of an HTML or plain part
 *
 * In HTML: links become click links, the unsubscribe placeholder becomes the unsubscribe link, and the footer and the open image stand at
 * the end of the body. In plain text: the placeholder and the footer. A text that has the placeholder gets no footer. Everything else stays.
 *
 * Pure, total, linear. See also: tracking/html-scan, tracking/mail-edits, docs/TRACKING.md.
 */
import { clickTargetOf } from './click-target.ts'
import { footerLanguageOf, htmlFooter, textFooter, type FooterLanguage } from './footer-text.ts'
import { scanHtml, type HtmlLink, type HtmlScan } from './html-scan.ts'
import type { EditableText } from './part-charset.ts'
import { SAMPLE_TOKENS, slotUrl, type InsertedText, type TextEdit } from './tracking-slot.ts'
import type { TrackingSwitches } from './tracking-switches.ts'

/** SendCloud and EngageLab use the same name. */
export const UNSUBSCRIBE_PLACEHOLDER = '%%user_defined_unsubscribe_link%%'

/** In one part. Each is signed for every copy; large newsletters have about two hundred. */
const MAX_TRACKED_LINKS = 1_000

export type TrackingPlanOptions = {
  readonly switches: TrackingSwitches
  /** The origin of the links, without a trailing slash. */
  readonly base: string
}

/** What is known of a part's place in the mail. */
export type PartRole = {
  /** Whether the part is what readers see as the text of the mail, which gets the footer and the open image. */
  readonly isBody: boolean
  /** A language tag that the mail declares. */
  readonly language: string | null
}

const OPEN_IMAGE: InsertedText = [
  '<img src="',
  { kind: 'open' },
  '" width="1" height="1" alt="" border="0" style="width:1px;height:1px;border:0">',
]

/** The edits of an HTML part, in order. */
export function htmlEdits(part: EditableText, role: PartRole, options: TrackingPlanOptions): readonly TextEdit[] {
  const { switches } = options
  const scan = scanHtml(part.text, part.isUtf8 ? utf8OrInvalid : asciiOrInvalid)
  const placeholders = placeholderEdits(part.text)
  const links = switches.click ? scan.links.flatMap((link) => linkEdit(link, options)).slice(0, MAX_TRACKED_LINKS) : []
  const needsFooter = switches.unsubscribeFooter && placeholders.length === 0
  const insert = [
    ...(needsFooter ? htmlFooter(languageOf(part, [scan.language, role.language])) : []),
    ...(switches.open ? OPEN_IMAGE : []),
  ]
  return [...placeholders, ...links, ...endEdit(part, role, { scan, insert })].toSorted((one, other) => one.start - other.start)
}

function endEdit(
  { text, endsInAscii }: EditableText,
  { isBody }: PartRole,
  { scan, insert }: { readonly scan: HtmlScan; readonly insert: InsertedText },
): readonly TextEdit[] {
  const at = scan.bodyEnd
  if (!isBody || at === null || insert.length === 0 || text.trim() === '' || (at === text.length && !endsInAscii)) return []
  return [{ start: at, end: at, insert }]
}

/** A link that already leads to us is left alone: the HTML was rewritten before. */
function linkEdit({ start, end, href, isMarked }: HtmlLink, { base }: TrackingPlanOptions): readonly TextEdit[] {
  const target = isMarked ? null : clickTargetOf(href)
  if (target === null || OWN_PATHS.some((path) => target.startsWith(`${base}${path}`))) return []
  const slot = { kind: 'click', target } as const
  return slotUrl(slot, base, SAMPLE_TOKENS) === null ? [] : [{ start, end, insert: [slot] }]
}

const OWN_PATHS = ['/o/', '/c/', '/u/'] as const

/** The edits of a plain text part, in order. */
export function plainEdits(part: EditableText, { isBody, language }: PartRole, { switches }: TrackingPlanOptions): readonly TextEdit[] {
  const { text, isUtf8, endsInAscii } = part
  // Text behind a PGP signature looks like a forgery.
  if (/^\s*-----BEGIN PGP /.test(text)) return []
  const placeholders = placeholderEdits(text)
  if (!switches.unsubscribeFooter || !isBody || placeholders.length > 0 || !endsInAscii || text.trim() === '') return placeholders
  const lineEnd = text.includes('\r\n') || !text.includes('\n') ? '\r\n' : '\n'
  const footer = textFooter(isUtf8 && part.charset !== '' ? languageOf(part, [language]) : 'en', lineEnd)
  return [{ start: text.length, end: text.length, insert: [text.endsWith('\n') ? lineEnd : lineEnd + lineEnd, ...footer] }]
}

function placeholderEdits(text: string): TextEdit[] {
  const edits: TextEdit[] = []
  for (let at = text.indexOf(UNSUBSCRIBE_PLACEHOLDER); at >= 0; at = text.indexOf(UNSUBSCRIBE_PLACEHOLDER, at + 1))
    edits.push({ start: at, end: at + UNSUBSCRIBE_PLACEHOLDER.length, insert: [{ kind: 'unsubscribe' }] })
  return edits
}

const languageOf = ({ text, isUtf8, charset }: EditableText, declared: readonly (string | null)[]): FooterLanguage =>
  footerLanguageOf({ declared, charset, text: isUtf8 ? Buffer.from(text, 'latin1').toString('utf8') : '' })

const strictUtf8 = new TextDecoder('utf-8', { fatal: true })
/** No target has a control character, so that a link with it stays. */
const INVALID = '\0'

function utf8OrInvalid(latin1: string): string {
  const ascii = asciiOrInvalid(latin1)
  if (ascii !== INVALID) return ascii
  try {
    return strictUtf8.decode(Buffer.from(latin1, 'latin1'))
  } catch {
    return INVALID
  }
}

/** Browsers encode a query in the charset of the page, so a link with other letters cannot be repeated exactly. */
const asciiOrInvalid = (latin1: string): string => (/^[\u0000-\u007f]*$/.test(latin1) ? latin1 : INVALID)

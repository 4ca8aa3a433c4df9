/**
 * message-parts - what stands where in a report: its words, its machine-readable parts, the mail that came back
 *
 * Sorts the parts of a mail by what they are and not only by what they say they are: report fields under a wrong
 * Content-Type, headers pasted into text, a mail in a base64 attachment. Parts inside a returned mail are never words
 * of the report.
 *
 * Pure, total. RFC 6522 (multipart/report), RFC 3464, RFC 5965, RFC 8098. See also: mail/mime/mime, mail/freeform/split-quoted.
 */
import { bytesOf, textOf } from './mime/content.ts'
import { cutReturned } from './freeform/split-quoted.ts'
import type { TextLine } from './freeform/split-quoted.ts'
import { parseFields } from './mime/header.ts'
import type { Headers } from './mime/header.ts'
import { htmlToText } from './mime/html.ts'
import { parseMime } from './mime/mime.ts'
import type { Mime, Part } from './mime/mime.ts'

export type Pieces = {
  readonly mime: Mime
  /** The report's own words, without the returned mail. */
  readonly lines: readonly TextLine[]
  readonly status: readonly string[]
  readonly feedback: readonly string[]
  readonly disposition: readonly string[]
  /** Headers of the mail that came back, and the place of its bytes where it is whole. */
  readonly returned: Headers | null
  readonly returnedPart: Part | null
  /** The returned mail's text where it was pasted into words. */
  readonly pasted: string | null
  /** Leaves that are neither text nor report. */
  readonly files: readonly Part[]
}

/** Words for people are short; a report on a thousand recipients is not. */
const MAX_TEXT = 131_072
const MAX_MACHINE = 262_144
const MAX_PREAMBLE = 16_384
/** Words are looked for in so many text parts. */
const MAX_TEXT_PARTS = 8

const STATUS_TYPES: ReadonlySet<string> = new Set([
  'message/delivery-status',
  'message/global-delivery-status',
  'message/x-delivery-status',
  'text/delivery-status',
  'application/delivery-status',
])
const FEEDBACK_TYPES: ReadonlySet<string> = new Set([
  'message/feedback-report',
  'text/feedback-report',
  'application/feedback-report',
  'message/x-feedback-report',
])
const DISPOSITION_TYPES: ReadonlySet<string> = new Set(['message/disposition-notification', 'message/global-disposition-notification'])
const HEADER_TYPES: ReadonlySet<string> = new Set([
  'text/rfc822-headers',
  'message/rfc822-headers',
  'message/global-headers',
  'message/partial',
])

type Bag = {
  plain: string[]
  html: string[]
  status: string[]
  feedback: string[]
  disposition: string[]
  headerTexts: string[]
  mails: Part[]
  files: Part[]
}

/** Sorts a mail's parts. Total. */
export function sortPieces(mime: Mime): Pieces {
  const bag: Bag = { plain: [], html: [], status: [], feedback: [], disposition: [], headerTexts: [], mails: [], files: [] }
  let inside = Number.POSITIVE_INFINITY
  for (const part of mime.parts) {
    if (part.depth > inside) continue
    inside = Number.POSITIVE_INFINITY
    if (isMailType(part.type)) {
      inside = part.depth
      bag.mails.push(part)
    } else if (part.children.length === 0) sortLeaf(mime, part, bag)
  }
  return assemble(mime, bag)
}

function isMailType(type: string): boolean {
  return type === 'message/rfc822' || type === 'message/global' || type === 'message/news'
}

function sortLeaf(mime: Mime, part: Part, bag: Bag): void {
  const { type } = part
  if (STATUS_TYPES.has(type)) bag.status.push(textOf(mime, part, MAX_MACHINE))
  else if (FEEDBACK_TYPES.has(type)) bag.feedback.push(textOf(mime, part, MAX_MACHINE))
  else if (DISPOSITION_TYPES.has(type)) bag.disposition.push(textOf(mime, part, MAX_MACHINE))
  else if (HEADER_TYPES.has(type)) bag.headerTexts.push(textOf(mime, part, MAX_TEXT))
  else if (type === 'text/html') {
    if (bag.html.length < MAX_TEXT_PARTS) bag.html.push(textOf(mime, part, MAX_TEXT))
  } else if (isWords(part)) sortText(part, textOf(mime, part, MAX_TEXT), bag)
  else bag.files.push(part)
}

/** Text, or a leaf of a report under a name nobody knows: read it before giving it up. */
function isWords(part: Part): boolean {
  if (part.type.startsWith('text/'))
    return !/\.(?:csv|ics|vcf|xml|json)$/i.test(part.filename ?? '') && part.type !== 'text/calendar' && part.type !== 'text/csv'
  if (part.type.startsWith('message/')) return true
  return part.bodyEnd - part.bodyStart < 16_384 && part.type.startsWith('multipart/')
}

function sortText(part: Part, text: string, bag: Bag): void {
  const areFields = !looksLikeWords(text)
  if (areFields && /^[ \t]*feedback-type[ \t]*:/im.test(text.slice(0, 2_048))) bag.feedback.push(text)
  else if (areFields && /^(?:final|original)-recipient[ \t]*:/im.test(text.slice(0, 4_096))) bag.status.push(text)
  else if (part.depth > 0 && bag.plain.length > 0 && cutReturned(text.slice(0, 4_096)).lines.every((line) => line.text === ''))
    bag.headerTexts.push(text)
  else if (part.disposition === 'attachment' && bag.plain.length > 0) bag.files.push(part)
  else if (bag.plain.length < MAX_TEXT_PARTS) bag.plain.push(text)
}

/** Whether a text begins with words for people and not with fields. */
function looksLikeWords(text: string): boolean {
  const first = text.trimStart().slice(0, 200).split('\n', 1)[0] ?? ''
  return !/^[A-Za-z][A-Za-z0-9-]{2,40}[ \t]*:/.test(first)
}

function assemble(mime: Mime, bag: Bag): Pieces {
  if (bag.plain.length === 0 && bag.html.length === 0) bag.plain.push(preambleOf(mime))
  const words = wordsOf(bag)
  const cut = cutReturned(words)
  const mail = bag.mails[0] ?? null
  const opened = mail === null ? null : openMail(mime, mail)
  const pasted = cut.returned ?? null
  const headerText = bag.headerTexts[0] ?? pasted
  return {
    mime,
    lines: cut.lines,
    status: bag.status,
    feedback: bag.feedback,
    disposition: bag.disposition,
    returned: opened ?? (headerText === null ? null : parseFields(headerText)),
    returnedPart: mail?.children[0] ?? null,
    pasted,
    files: bag.files,
  }
}

/** Some gateways put their words before the first boundary, where programs see them and people do not. */
function preambleOf(mime: Mime): string {
  const { root } = mime
  const first = root.children[0]
  if (first === undefined || !root.type.startsWith('multipart/')) return ''
  const preamble = textOf(mime, { ...root, bodyEnd: first.headerStart, encoding: '7bit' }, MAX_PREAMBLE)
  const lines = preamble.split('\n').filter((line) => !line.startsWith('--') && !/\bMIME\b/i.test(line))
  return lines.join('\n').trim()
}

function wordsOf(bag: Bag): string {
  const plain = bag.plain.join('\n\n')
  if (bag.html.length === 0) return plain
  if (plain.trim().length >= 24 && (plain.includes('@') || !bag.html.some((html) => html.includes('@')))) return plain
  return `${plain}\n\n${bag.html.map((html) => htmlToText(html)).join('\n\n')}`
}

/** The headers of a mail inside; one that came in base64 is opened here. */
function openMail(mime: Mime, part: Part): Headers | null {
  const child = part.children[0]
  if (child !== undefined) return child.headers
  const bytes = bytesOf(mime, part, MAX_TEXT)
  return bytes.length === 0 ? null : parseMime(bytes).root.headers
}

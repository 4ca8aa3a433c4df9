/**
 * message-parts - sorts the parts of a report: human-readable text, machine-readable fields, the returned message
 *
 * Sorts parts by their content as well as by their Content-Type: report fields under a wrong Content-Type, headers pasted
 * into text, a message in a base64 attachment. Parts inside a returned message never count as text of the report.
 *
 * Pure, total. RFC 6522 (multipart/report), RFC 3464, RFC 5965, RFC 8098. See also: mail/mime/mime, mail/freeform/split-quoted.
 */
import { decodePartBytes, decodePartText } from './mime/content.ts'
import { splitQuotedOriginal } from './freeform/split-quoted.ts'
import type { TextLine } from './freeform/split-quoted.ts'
import { parseFields } from './mime/header.ts'
import type { Headers } from './mime/header.ts'
import { htmlToText } from './mime/html.ts'
import { parseMime } from './mime/mime.ts'
import type { MimeMessage } from './mime/mime.ts'
import type { MimePart } from './mime/part.ts'

export type MessageParts = {
  readonly mime: MimeMessage
  /** The report's own lines, without the returned message. */
  readonly lines: readonly TextLine[]
  readonly statusTexts: readonly string[]
  readonly feedbackTexts: readonly string[]
  readonly dispositionTexts: readonly string[]
  /** Headers of the returned message. `originalPart` is set if the message was returned whole. */
  readonly originalHeaders: Headers | null
  readonly originalPart: MimePart | null
  /** Whether `originalHeaders` were read from text that anybody can write: the returned message has no part of its own. */
  readonly isOriginalPasted: boolean
  /** The text of the returned message if it was pasted below the text of the report. */
  readonly pastedOriginal: string | null
  /** Leaves that are neither text nor report fields. */
  readonly attachments: readonly MimePart[]
}

/** Prose is short; the fields of a report on a thousand recipients are not. */
const MAX_HUMAN_READABLE = 131_072
const MAX_MACHINE_READABLE = 262_144
const MAX_PREAMBLE = 16_384
/** At most this many text parts are read. */
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

type PartBuckets = {
  plainTexts: string[]
  htmlTexts: string[]
  statusTexts: string[]
  feedbackTexts: string[]
  dispositionTexts: string[]
  headerTexts: string[]
  enclosedMessages: MimePart[]
  attachments: MimePart[]
}

/** Sorts the parts of a message. Total. */
export function collectMessageParts(mime: MimeMessage): MessageParts {
  const buckets: PartBuckets = {
    plainTexts: [],
    htmlTexts: [],
    statusTexts: [],
    feedbackTexts: [],
    dispositionTexts: [],
    headerTexts: [],
    enclosedMessages: [],
    attachments: [],
  }
  let enclosedDepth = Number.POSITIVE_INFINITY
  for (const part of mime.parts) {
    if (part.depth > enclosedDepth) continue
    enclosedDepth = Number.POSITIVE_INFINITY
    if (isMessageType(part.type)) {
      enclosedDepth = part.depth
      buckets.enclosedMessages.push(part)
    } else if (part.children.length === 0) assignLeaf(mime, part, buckets)
  }
  return buildMessageParts(mime, buckets)
}

function isMessageType(type: string): boolean {
  return type === 'message/rfc822' || type === 'message/global' || type === 'message/news'
}

function assignLeaf(mime: MimeMessage, part: MimePart, buckets: PartBuckets): void {
  const { type } = part
  if (STATUS_TYPES.has(type)) buckets.statusTexts.push(decodePartText(mime, part, MAX_MACHINE_READABLE))
  else if (FEEDBACK_TYPES.has(type)) buckets.feedbackTexts.push(decodePartText(mime, part, MAX_MACHINE_READABLE))
  else if (DISPOSITION_TYPES.has(type)) buckets.dispositionTexts.push(decodePartText(mime, part, MAX_MACHINE_READABLE))
  else if (HEADER_TYPES.has(type)) buckets.headerTexts.push(decodePartText(mime, part, MAX_HUMAN_READABLE))
  else if (type === 'text/html') {
    if (buckets.htmlTexts.length < MAX_TEXT_PARTS) buckets.htmlTexts.push(decodePartText(mime, part, MAX_HUMAN_READABLE))
  } else if (isHumanReadable(part)) assignText(part, decodePartText(mime, part, MAX_HUMAN_READABLE), buckets)
  else buckets.attachments.push(part)
}

/** Whether to read a leaf as text. Includes report parts with an unknown type. */
function isHumanReadable(part: MimePart): boolean {
  if (part.type.startsWith('text/'))
    return !/\.(?:csv|ics|vcf|xml|json)$/i.test(part.filename ?? '') && part.type !== 'text/calendar' && part.type !== 'text/csv'
  if (part.type.startsWith('message/')) return true
  return part.bodyEnd - part.bodyStart < 16_384 && part.type.startsWith('multipart/')
}

function assignText(part: MimePart, text: string, buckets: PartBuckets): void {
  const isFieldBlock = !isProse(text)
  if (isFieldBlock && /^[ \t]*feedback-type[ \t]*:/im.test(text.slice(0, 2_048))) buckets.feedbackTexts.push(text)
  else if (isFieldBlock && /^(?:final|original)-recipient[ \t]*:/im.test(text.slice(0, 4_096))) buckets.statusTexts.push(text)
  else if (
    part.depth > 0 &&
    buckets.plainTexts.length > 0 &&
    splitQuotedOriginal(text.slice(0, 4_096)).ownLines.every((line) => line.text === '')
  )
    buckets.headerTexts.push(text)
  else if (part.disposition === 'attachment' && buckets.plainTexts.length > 0) buckets.attachments.push(part)
  else if (buckets.plainTexts.length < MAX_TEXT_PARTS) buckets.plainTexts.push(text)
}

/** Whether a text begins with prose instead of a header field. */
function isProse(text: string): boolean {
  return !/^[A-Za-z][A-Za-z0-9-]{2,40}[ \t]*:/.test(text.trimStart().slice(0, 200))
}

function buildMessageParts(mime: MimeMessage, buckets: PartBuckets): MessageParts {
  if (buckets.plainTexts.length === 0 && buckets.htmlTexts.length === 0) buckets.plainTexts.push(readPreamble(mime))
  const humanText = joinHumanReadable(buckets)
  const split = splitQuotedOriginal(humanText)
  const enclosedPart = buckets.enclosedMessages[0] ?? null
  const enclosedHeaders = enclosedPart === null ? null : readEnclosedHeaders(mime, enclosedPart)
  const pastedOriginal = split.originalText ?? null
  const headerText = buckets.headerTexts[0] ?? pastedOriginal
  return {
    mime,
    lines: split.ownLines,
    statusTexts: buckets.statusTexts,
    feedbackTexts: buckets.feedbackTexts,
    dispositionTexts: buckets.dispositionTexts,
    originalHeaders: enclosedHeaders ?? (headerText === null ? null : parseFields(headerText)),
    originalPart: enclosedPart?.children[0] ?? null,
    isOriginalPasted: enclosedHeaders === null && buckets.headerTexts.length === 0 && pastedOriginal !== null,
    pastedOriginal,
    attachments: buckets.attachments,
  }
}

/** The text before the first boundary. Some gateways write their explanation there, where mail clients do not show it. */
function readPreamble(mime: MimeMessage): string {
  const { root } = mime
  const first = root.children[0]
  if (first === undefined || !root.type.startsWith('multipart/')) return ''
  const preamble = decodePartText(mime, { ...root, bodyEnd: first.headerStart, encoding: '7bit' }, MAX_PREAMBLE)
  const lines = preamble.split('\n').filter((line) => !line.startsWith('--') && !/\bMIME\b/i.test(line))
  return lines.join('\n').trim()
}

function joinHumanReadable(buckets: PartBuckets): string {
  const plainText = buckets.plainTexts.join('\n\n')
  if (buckets.htmlTexts.length === 0) return plainText
  if (plainText.trim().length >= 24 && (plainText.includes('@') || !buckets.htmlTexts.some((html) => html.includes('@')))) return plainText
  return `${plainText}\n\n${buckets.htmlTexts.map((html) => htmlToText(html)).join('\n\n')}`
}

/** The headers of an enclosed message, decoded if the message is in base64. */
function readEnclosedHeaders(mime: MimeMessage, part: MimePart): Headers | null {
  const child = part.children[0]
  if (child !== undefined) return child.headers
  const bytes = decodePartBytes(mime, part, MAX_HUMAN_READABLE)
  return bytes.length === 0 ? null : parseMime(bytes).root.headers
}

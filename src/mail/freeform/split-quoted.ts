/**
 * split-quoted - splits a report where its own text ends and the returned message begins
 *
 * Many programs paste the returned message below their text without MIME structure. Recipients must never be read from it.
 * The split is at a line that a row of mail/freeform/formats names, or at a block of header fields.
 *
 * Pure, total, linear in the text. See also: mail/freeform/format-index, mail/message-parts.
 */
import { decodeX400Addresses } from '../mime/address.ts'
import { findLineMarkers } from './format-index.ts'
import type { LineMarker } from './format-index.ts'

export type TextLine = { readonly text: string; readonly markers: readonly LineMarker[] }

type SplitText = {
  /** The report's own lines. */
  readonly ownLines: readonly TextLine[]
  /** The returned message, headers first; null if none is pasted. */
  readonly originalText: string | null
}

/** Fits a report with a thousand recipients. */
const MAX_REPORT_TEXT = 262_144
const MAX_LINES = 8_000

const FIELD = /^(?:[>|] ?){0,4}([A-Za-z][A-Za-z0-9-]{1,40}) ?:/
/** Fields that occur only in message headers. A block of fields is a returned message only if it contains one of them. */
const MESSAGE_ONLY_FIELDS: ReadonlySet<string> = new Set([
  'received',
  'return-path',
  'message-id',
  'mime-version',
  'dkim-signature',
  'domainkey-signature',
  'arc-seal',
  'delivered-to',
  'x-mailer',
  'x-received',
  'content-transfer-encoding',
  'list-unsubscribe',
  'authentication-results',
  'received-spf',
  'x-originating-ip',
  'x-virus-scanned',
])
const COMMON_FIELDS: ReadonlySet<string> = new Set([
  'from',
  'to',
  'cc',
  'subject',
  'date',
  'reply-to',
  'senderLabel',
  'content-type',
  'user-agent',
  'in-reply-to',
  'references',
  'precedence',
  'list-id',
  'errors-to',
  'importance',
])
/** Lines that are checked for a header block, and the number of fields it must have. */
const LOOKAHEAD_LINES = 12
const MIN_FIELD_LINES = 3

/** Splits the text of a report where the returned message begins. Total. */
export function splitQuotedOriginal(text: string): SplitText {
  const raw = text.length > MAX_REPORT_TEXT ? text.slice(0, MAX_REPORT_TEXT) : text
  const lines: TextLine[] = []
  let at = 0
  while (at < raw.length && lines.length < MAX_LINES) {
    const next = findEntryEnd(raw, at)
    const line = decodeX400Addresses(joinContinuations(raw.slice(at, next)))
    const markers = line === '' ? NO_MARKERS : findLineMarkers(line)
    if (markers.some((marker) => marker.role === 'originalBelow') && !isSectionOpening(markers))
      return { ownLines: lines, originalText: raw.slice(next) }
    if (isHeaderFieldLine(line) && isHeaderBlock(raw, at)) return { ownLines: lines, originalText: raw.slice(at) }
    lines.push({ text: line, markers })
    at = next
  }
  return { ownLines: lines, originalText: null }
}

/** The first line of an entry as Postfix writes it: address, colon, diagnostic. */
const ENTRY = /^<[^<>\s]{1,320}@[^<>\s]{1,255}>(?: \((?:expanded|ultimately expanded) from [^()\n]{1,400}\))?: ?\S/
const CONTINUATION = /^(?: {4}|\t)[ \t]*\S/
/** A line that ends right after the code or status of a reply, so that the next line continues it. */
const WRAPPED_REPLY =
  /(?:\b(?:said|says|replied|responded|returned|answered):?[ \t]*["']?[245]\d\d(?:[ -]#?[245]\.\d{1,3}\.\d{1,3})?|^[ \t].{0,300}:[ \t]*[245]\d\d[ -]#?[245]\.\d{1,3}\.\d{1,3})[ \t]*\r?\n$/i
const MAX_CONTINUATION_LINES = 100

/** Offset after the line at `from`, including the wrapped lines of its diagnostic. */
function findEntryEnd(text: string, from: number): number {
  let end = findNextLine(text, from)
  if (text.charCodeAt(from) !== LESS_THAN_CODE || !ENTRY.test(text.slice(from, Math.min(end, from + 2_000))))
    return endsWithDigit(text, from, end) && isWrappedReply(text, from, end) ? findNextLine(text, end) : end
  for (let count = 0; count < MAX_CONTINUATION_LINES && CONTINUATION.test(text.slice(end, end + 200)); count++)
    end = findNextLine(text, end)
  return end
}

const LESS_THAN_CODE = 0x3c

/** Whether the last character of a line is a digit, as in every wrapped reply. Spares most lines the expression. */
function endsWithDigit(text: string, from: number, end: number): boolean {
  let at = end - 1
  while (at > from && text.charCodeAt(at) <= 0x20) at--
  const code = text.charCodeAt(at)
  return code >= 0x30 && code <= 0x39
}

function isWrappedReply(text: string, from: number, end: number): boolean {
  const line = text.slice(from, Math.min(end, from + 2_000))
  return line.length < 400 && WRAPPED_REPLY.test(line) && continuesAt(text, end, line)
}

/** Whether the line at `from` begins with a letter or an address and is indented as far as the line before. */
function continuesAt(text: string, from: number, previous: string): boolean {
  const indent = /^[ \t]*/.exec(previous)?.[0] ?? ''
  const next = text.slice(from, from + 400)
  return next.startsWith(indent) && /^[ \t]*<?\p{L}/u.test(next)
}

function joinContinuations(entry: string): string {
  const line = entry.trimEnd()
  return line.includes('\n') ? line.replace(/[ \t]*\r?\n[ \t]*/g, ' ') : line
}

/** Offset of the line after the one that begins at `from`. */
function findNextLine(text: string, from: number): number {
  const newline = text.indexOf('\n', from)
  return newline < 0 ? text.length : newline + 1
}

const NO_MARKERS: readonly LineMarker[] = []

/** Whether a section marker matches more of the line than a marker of the returned message. */
function isSectionOpening(markers: readonly LineMarker[]): boolean {
  let opens = 0
  let ends = 0
  for (const marker of markers) {
    if (marker.role === 'originalBelow') ends = Math.max(ends, marker.text.length)
    else opens = Math.max(opens, marker.text.length)
  }
  return opens > ends
}

function parseFieldName(line: string): string | null {
  const field = FIELD.exec(line)
  return field?.[1] === undefined ? null : field[1].toLowerCase()
}

function isHeaderFieldLine(line: string): boolean {
  if (line.length < 4 || !line.includes(':')) return false
  const name = parseFieldName(line)
  return name !== null && (MESSAGE_ONLY_FIELDS.has(name) || COMMON_FIELDS.has(name) || name.startsWith('x-'))
}

/** Whether the next lines are header fields, at least three, one of them only used in messages. Continuation lines are not counted. */
function isHeaderBlock(text: string, from: number): boolean {
  let fieldCount = 0
  let messageOnlyCount = 0
  let reportFieldCount = 0
  let at = from
  for (let ahead = 0; ahead < LOOKAHEAD_LINES && at < text.length; ahead++) {
    const next = findNextLine(text, at)
    const line = text.slice(at, next).trimEnd()
    at = next
    if (line.trim() === '' || line.trim() === '>') break
    const name = parseFieldName(line)
    if (name === null) {
      if (!/^[>|\s]/.test(line)) break
      continue
    }
    if (MESSAGE_ONLY_FIELDS.has(name)) messageOnlyCount++
    if (MESSAGE_ONLY_FIELDS.has(name) || COMMON_FIELDS.has(name) || name.startsWith('x-')) fieldCount++
    if (REPORT_FIELDS.has(name)) reportFieldCount++
  }
  return reportFieldCount === 0 && messageOnlyCount > 0 && fieldCount >= MIN_FIELD_LINES
}

const REPORT_FIELDS: ReadonlySet<string> = new Set([
  'final-recipient',
  'reporting-mta',
  'diagnostic-code',
  'original-recipient',
  'feedback-type',
  'last-attempt-date',
])

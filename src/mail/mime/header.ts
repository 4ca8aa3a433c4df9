/**
 * header - reads a block of `Name: value` lines as fields; unfolds and decodes values on request
 *
 * The same reader serves the header of a message or part, the groups of a delivery report, ARF fields, and headers quoted in text.
 * Accepts malformed input: folds without white space, a stray line between fields, an mbox "From " line. Such a line belongs to the
 * field before it if more fields follow; else it ends the block.
 *
 * Pure, total, linear. RFC 5322 §2.2. See also: mail/mime/encoded-word, mail/mime/mime, mail/mime/parameter.
 */
import { decodeJapanese, decodeText, hasJapaneseEscapes } from './charset.ts'
import { decodeEncodedWords } from './encoded-word.ts'
import { readFieldName } from './field-name.ts'

/** `name` is lower case; `value` is as written, with folds. */
type HeaderField = { readonly name: string; readonly value: string }

/** `isBytes`: values are undecoded bytes, one per character. False for plain ASCII. */
export type Headers = { readonly fields: readonly HeaderField[]; readonly isBytes: boolean }

/** Longer values are cut. Fields that matter in a report are shorter. */
const MAX_VALUE_LENGTH = 8_192
/** Bound for the fields of one name. */
const MAX_REPEATED = 100
/** A message that passed many hops has about 100 fields. */
const MAX_FIELDS = 2_000
/** Beyond this length, a block is skipped without being read. */
const MAX_BLOCK_LENGTH = 262_144
/** A signature without folds leaves fewer stray lines. */
const MAX_STRAY_LINES = 40
/** RFC 5322 sets no limit; the longest registered name has 33 characters. */
const MAX_NAME_LENGTH = 100
const DASH_CODE = 0x2d

export const NO_HEADERS: Headers = { fields: [], isBytes: false }

/** Field names that show that a malformed block continues. In prose, any word may precede a colon. */
const KNOWN_FIELD =
  /^(?:received|return-path|from|to|cc|subject|date|message-id|mime-version|content-[a-z-]{1,40}|x-[a-z0-9-]{1,60}|delivered-to|reply-to|sender|references|in-reply-to|dkim-signature|authentication-results|auto-submitted|list-[a-z-]{1,30}|precedence|final-recipient|original-recipient|action|status|diagnostic-code|remote-mta|reporting-mta|feedback-type|last-attempt-date|will-retry-until)[ \t]*:/i

/** A header block, the offset of its body, and its defects. */
type HeaderBlock = {
  readonly headers: Headers
  /** Offset after the blank line; without one, offset of the line that ended the block. */
  readonly bodyStart: number
  readonly defects: readonly string[]
}

type HeaderBlockOptions = {
  readonly from: number
  readonly isBytes: boolean
  /** A message may begin with blank lines and an mbox "From " line; a part may not. */
  readonly isMessage: boolean
  /** Whether a line is a boundary, which ends the block. Called for lines that begin with a dash. */
  readonly isBoundary: (start: number, end: number) => boolean
}

/** Reads one header block. Total; linear in the block. */
export function readHeaderBlock(text: string, options: HeaderBlockOptions): HeaderBlock {
  const fields: { name: string; value: string }[] = []
  const defects: string[] = []
  const addDefect = (defect: string): void => {
    if (!defects.includes(defect)) defects.push(defect)
  }
  const start = options.isMessage ? skipMboxLine(text, options.from) : options.from
  let at = start
  let openField: { name: string; from: number } | null = null
  let bodyStart = text.length
  // Offset of the next known field, so that each line is examined only once.
  let nextKnownField = -1
  while (at < text.length) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline
    const lineType = classifyLine(text, at, end)
    if (lineType === 'blank' || (text.charCodeAt(at) === DASH_CODE && options.isBoundary(at, end))) {
      bodyStart = lineType === 'blank' ? Math.min(end + 1, text.length) : at
      break
    }
    if (lineType === 'junk' && nextKnownField <= at) {
      nextKnownField = findNextKnownField(text, end + 1)
      if (nextKnownField < 0) {
        addDefect('header without a blank line after it')
        bodyStart = at
        break
      }
      addDefect('stray line in a header')
    }
    if (typeof lineType === 'number') {
      if (!appendField(fields, openField, { text, start, end: at })) addDefect('header cut')
      openField = { name: readFieldName(text, at, lineType), from: lineType + 1 }
    }
    at = end + 1
  }
  if (!appendField(fields, openField, { text, start, end: Math.min(at, text.length) })) addDefect('header cut')
  return { headers: { fields, isBytes: options.isBytes }, bodyStart, defects }
}

/** Adds the field before `end`, if there is one. False when the block has too many fields or is too long. */
function appendField(
  fields: { name: string; value: string }[],
  field: { readonly name: string; readonly from: number } | null,
  block: { readonly text: string; readonly start: number; readonly end: number },
): boolean {
  if (field === null) return true
  if (fields.length >= MAX_FIELDS || field.from - block.start >= MAX_BLOCK_LENGTH) return false
  fields.push({ name: field.name, value: block.text.slice(field.from, trimLineEnd(block.text, block.end)) })
  return true
}

function trimLineEnd(text: string, at: number): number {
  let end = at
  if (text.charCodeAt(end - 1) === 0x0a) end--
  if (text.charCodeAt(end - 1) === 0x0d) end--
  return end
}

/** The offset of the colon of a field, or the type of the line. */
function classifyLine(text: string, start: number, end: number): number | 'blank' | 'fold' | 'junk' {
  const first = text.charCodeAt(start)
  if (start >= end) return 'blank'
  if (first === 0x0d) return isBlankLine(text, start, end) ? 'blank' : 'junk'
  if (first === 0x20 || first === 0x09) return 'fold'
  const limit = Math.min(end, start + MAX_NAME_LENGTH)
  for (let i = start; i < limit; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x3a) return i > start ? i : 'junk'
    if (code > 0x20 && code < 0x7f) continue
    // RFC 5322 §4.5: white space before the colon is obsolete but still in use.
    if (code === 0x20 || code === 0x09) return findColon(text, i, limit)
    return 'junk'
  }
  return 'junk'
}

function findColon(text: string, from: number, limit: number): number | 'junk' {
  let i = from
  while (i < limit && (text.charCodeAt(i) === 0x20 || text.charCodeAt(i) === 0x09)) i++
  return i < limit && text.charCodeAt(i) === 0x3a ? i : 'junk'
}

function isBlankLine(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (text.charCodeAt(i) !== 0x0d) return false
  return true
}

/** Offset of the next known field before a blank line; -1 if there is none. */
function findNextKnownField(text: string, from: number): number {
  let at = from
  for (let i = 0; i < MAX_STRAY_LINES && at < text.length; i++) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline
    if (isBlankLine(text, at, end)) return -1
    if (KNOWN_FIELD.test(text.slice(at, Math.min(end, at + MAX_NAME_LENGTH)))) return at
    at = end + 1
  }
  return -1
}

/** Offset after leading blank lines and an mbox "From " line (quoted or not), if fields follow them. */
function skipMboxLine(text: string, from: number): number {
  let at = from
  for (let i = 0; i < 100 && at < text.length; i++) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline
    if (typeof classifyLine(text, at, end) === 'number') return at
    if (!isBlankLine(text, at, end) && !text.startsWith('From ', at) && !text.startsWith('>From ', at))
      return i === 0 || findNextKnownField(text, at) >= 0 ? at : from
    at = end + 1
  }
  return from
}

/**
 * Reads the fields of a text up to the first blank line after a field. The indentation of the first line is ignored, and a line that is
 * not a field continues the one before it. Total.
 *
 *     parseFields('Action: failed\nStatus: 5.1.1') → fields action, status
 */
export function parseFields(text: string): Headers {
  const fields: { name: string; value: string }[] = []
  const indent = measureIndent(text)
  let lastField: { name: string; value: string } | null = null
  let valueLength = 0
  const limit = Math.min(text.length, MAX_BLOCK_LENGTH)
  for (let at = 0; at < limit;) {
    const newline = text.indexOf('\n', at)
    const line = text.slice(at, newline < 0 || newline > limit ? limit : newline)
    at += line.length + 1
    const trimmed = line.trimStart()
    if (trimmed === '') {
      if (lastField !== null) break
      continue
    }
    const colon = line.length - trimmed.length > indent ? 'fold' : classifyLine(trimmed, 0, trimmed.length)
    if (typeof colon === 'number') {
      lastField = { name: readFieldName(trimmed, 0, colon), value: trimmed.slice(colon + 1) }
      valueLength = lastField.value.length
      if (fields.push(lastField) >= MAX_FIELDS) break
    } else if (lastField !== null && valueLength < MAX_VALUE_LENGTH) {
      lastField.value += `\n ${trimmed}`
      valueLength += trimmed.length
    }
  }
  return { fields, isBytes: false }
}

/** White space before the first non-blank line. */
function measureIndent(text: string): number {
  let indent = 0
  for (let at = 0; at < Math.min(text.length, MAX_BLOCK_LENGTH); at++) {
    const code = text.charCodeAt(at)
    if (code === 0x20 || code === 0x09) indent++
    else if (code === 0x0a) indent = 0
    else if (code !== 0x0d) break
  }
  return indent
}

/** All fields of a name in order: unfolded, RFC 2047 decoded, trimmed, each at most 8,192 characters; at most 100 fields. Total. */
export function getHeaders(headers: Headers, name: string): readonly string[] {
  return headers.fields
    .filter((one) => one.name === name)
    .slice(0, MAX_REPEATED)
    .map((field) => decodeValue(headers, field))
}

/** The first field of a name, unfolded and trimmed, with encoded words. Addresses and parameters are read from this form. Total. */
export function getRawHeader(headers: Headers, name: string): string | null {
  for (const field of headers.fields) if (field.name === name) return readUnfoldedValue(headers, field)
  return null
}

/** Name and decoded value of every field in order, at most `cap`. Total. */
export function getHeaderEntries(headers: Headers, cap = MAX_FIELDS): readonly (readonly [string, string])[] {
  return headers.fields.slice(0, cap).map((field) => [field.name, decodeValue(headers, field)] as const)
}

/**
 * Names to decoded values, at most `cap` names; the first field of a name wins. The record has no prototype, so any name is safe. Total.
 */
export function toHeaderRecord(headers: Headers, cap = 200): Readonly<Record<string, string>> {
  const record: Record<string, string> = Object.create(null)
  let size = 0
  for (const field of headers.fields) {
    if (field.name in record) continue
    if (size >= cap) break
    record[field.name] = decodeValue(headers, field)
    size++
  }
  return record
}

function decodeValue(headers: Headers, field: HeaderField): string {
  const plain = readUnfoldedValue(headers, field)
  return plain.includes('=?') ? decodeEncodedWords(plain).slice(0, MAX_VALUE_LENGTH) : plain
}

function readUnfoldedValue(headers: Headers, field: HeaderField): string {
  const capped = field.value.length > MAX_VALUE_LENGTH ? field.value.slice(0, MAX_VALUE_LENGTH) : field.value
  const unfolded = unfold(capped)
  if (!headers.isBytes) return unfolded
  if (/[\x80-\xff]/.test(unfolded)) return decodeText(Buffer.from(unfolded, 'latin1'), null).trim()
  return hasJapaneseEscapes(unfolded) ? decodeJapanese(unfolded).trim() : unfolded
}

/** A run of line ends and the white space after it become one space. */
function unfold(value: string): string {
  if (value.includes('\0')) return value.replace(/[\r\n\0]+[ \t]*/g, ' ').trim()
  let newline = value.indexOf('\n')
  let carriageReturn = value.indexOf('\r')
  let unfolded = ''
  let from = 0
  while (newline >= 0 || carriageReturn >= 0) {
    const end = carriageReturn < 0 || (newline >= 0 && newline < carriageReturn) ? newline : carriageReturn
    unfolded += `${value.slice(from, end)} `
    from = findFoldEnd(value, end)
    if (newline >= 0 && newline < from) newline = value.indexOf('\n', from)
    if (carriageReturn >= 0 && carriageReturn < from) carriageReturn = value.indexOf('\r', from)
  }
  return (from === 0 ? value : unfolded + value.slice(from)).trim()
}

/** The offset after line ends and the white space behind them. */
function findFoldEnd(value: string, from: number): number {
  let at = from
  while (value.charCodeAt(at) === 0x0a || value.charCodeAt(at) === 0x0d) at++
  while (value.charCodeAt(at) === 0x20 || value.charCodeAt(at) === 0x09) at++
  return at
}

/**
 * split-quoted - where a report's own words end and the returned mail begins
 *
 * Many writers paste the returned mail under their words without any MIME structure. A recipient must never be read
 * from there. The cut is made at a line that a row of mail/freeform/formats names, or at a block of header fields.
 *
 * Pure, total, linear in the text.
 */
import { marksOf } from './formats.ts'
import type { Mark } from './formats.ts'

export type TextLine = { readonly text: string; readonly marks: readonly Mark[] }

export type Cut = {
  /** The report's own lines. */
  readonly lines: readonly TextLine[]
  /** The text of the returned mail, headers first; null when none is pasted. */
  readonly returned: string | null
}

/** A report with a thousand recipients fits; what is longer was not written for people. */
const MAX_WORDS = 262_144
const MAX_LINES = 8_000

const FIELD = /^(?:[>|] ?){0,4}([A-Za-z][A-Za-z0-9-]{1,40}) ?:/
/** Fields that only the top of a mail has. One of these must be in a block of fields for it to be a returned mail. */
const TELLING: ReadonlySet<string> = new Set([
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
const ORDINARY: ReadonlySet<string> = new Set([
  'from',
  'to',
  'cc',
  'subject',
  'date',
  'reply-to',
  'sender',
  'content-type',
  'user-agent',
  'in-reply-to',
  'references',
  'precedence',
  'list-id',
  'errors-to',
  'importance',
])
/** How many lines a block of fields is judged by, and how many of them must be fields. */
const LOOK_AHEAD = 12
const ENOUGH = 3

/** Splits a report's text where the returned mail begins. Total. */
export function cutReturned(text: string): Cut {
  const raw = text.length > MAX_WORDS ? text.slice(0, MAX_WORDS) : text
  const lines: TextLine[] = []
  let at = 0
  while (at < raw.length && lines.length < MAX_LINES) {
    const next = nextLine(raw, at)
    const row = raw.slice(at, next).trimEnd()
    const marks = row === '' ? NONE : marksOf(row)
    if (marks.some((mark) => mark.role === 'ends') && !isOpening(marks)) return { lines, returned: raw.slice(next) }
    if (isTop(row) && isHeaderBlock(raw, at)) return { lines, returned: raw.slice(at) }
    lines.push({ text: row, marks })
    at = next
  }
  return { lines, returned: null }
}

/** Behind the line that begins at `from`. */
function nextLine(text: string, from: number): number {
  const newline = text.indexOf('\n', from)
  return newline < 0 ? text.length : newline + 1
}

const NONE: readonly Mark[] = []

/** A line that opens a section for one writer does not end the report for another. */
function isOpening(marks: readonly Mark[]): boolean {
  let opens = 0
  let ends = 0
  for (const mark of marks) {
    if (mark.role === 'ends') ends = Math.max(ends, mark.text.length)
    else opens = Math.max(opens, mark.text.length)
  }
  return opens > ends
}

function fieldName(row: string): string | null {
  const field = FIELD.exec(row)
  return field?.[1] === undefined ? null : field[1].toLowerCase()
}

function isTop(row: string): boolean {
  if (row.length < 4 || !row.includes(':')) return false
  const name = fieldName(row)
  return name !== null && (TELLING.has(name) || ORDINARY.has(name) || name.startsWith('x-'))
}

/** Three fields or more in the next lines, with one that only mails have. Continuation lines count as neither. */
function isHeaderBlock(text: string, from: number): boolean {
  let fields = 0
  let telling = 0
  let report = 0
  let at = from
  for (let ahead = 0; ahead < LOOK_AHEAD && at < text.length; ahead++) {
    const next = nextLine(text, at)
    const row = text.slice(at, next).trimEnd()
    at = next
    if (row.trim() === '' || row.trim() === '>') break
    const name = fieldName(row)
    if (name === null) {
      if (!/^[>|\s]/.test(row)) break
      continue
    }
    if (TELLING.has(name)) telling++
    if (TELLING.has(name) || ORDINARY.has(name) || name.startsWith('x-')) fields++
    if (REPORT_FIELDS.has(name)) report++
  }
  return report === 0 && telling > 0 && fields >= ENOUGH
}

const REPORT_FIELDS: ReadonlySet<string> = new Set([
  'final-recipient',
  'reporting-mta',
  'diagnostic-code',
  'original-recipient',
  'feedback-type',
  'last-attempt-date',
])

/**
 * formats - how the writers of free-form bounces lay out their reports
 *
 * One row a writer, as data: header fields that give it away, and how its lines begin. A new writer is a new row. All
 * marks are kept in one index over the beginnings of lines, so a thousand rows cost a look-up a line; every row helps
 * every mail, because an unknown writer often borrows a known one's words. See also: mail/freeform/reader (the reader).
 *
 * A mark is how a line begins once bullets, dashes and brackets are taken off: lower case, at least three characters.
 *
 * Pure.
 */
import { EXCHANGE } from './formats-exchange.ts'
import { MAIL_SERVERS } from './formats-server.ts'
import { OFFICE_SERVERS } from './formats-office.ts'
import { PROVIDERS } from './formats-provider.ts'

export type Format = {
  readonly id: string
  /** Header name → what its value contains, lower case; any of them is a vote for the row. */
  readonly header?: Readonly<Record<string, readonly string[]>>
  /** Lines that only this writer writes. */
  readonly knows?: readonly string[]
  /** Recipients stand in the lines below. */
  readonly opens?: readonly string[]
  /** The recipient stands behind these words, in this line or the next. */
  readonly names?: readonly string[]
  /** Diagnostics stand below. */
  readonly details?: readonly string[]
  /** The address that follows is the sender's. */
  readonly sender?: readonly string[]
  /** What the writer says to people, after its recipients; nothing about them follows until another section opens. */
  readonly stops?: readonly string[]
  /** The returned mail begins. */
  readonly ends?: readonly string[]
}

export const ROLES = ['knows', 'opens', 'names', 'details', 'sender', 'stops', 'ends'] as const
export type Role = (typeof ROLES)[number]
export type Mark = { readonly text: string; readonly role: Role; readonly format: string }

export const FORMATS: readonly Format[] = [...MAIL_SERVERS, ...EXCHANGE, ...OFFICE_SERVERS, ...PROVIDERS]

const index = buildIndex()

/** Marks are found by their first characters; three tell enough apart and still hold a word of Chinese. */
function keyAt(text: string, from: number): number {
  return ((lowerAt(text, from) * 31 + lowerAt(text, from + 1)) * 31 + lowerAt(text, from + 2)) & 0x3fff_ffff
}

function lowerAt(text: string, at: number): number {
  const code = text.charCodeAt(at)
  if (code < 0x80) return code >= 0x41 && code <= 0x5a ? code + 0x20 : code
  return text.charAt(at).toLowerCase().charCodeAt(0)
}

function buildIndex(): ReadonlyMap<number, readonly Mark[]> {
  const buckets = new Map<number, Mark[]>()
  for (const format of FORMATS) {
    for (const role of ROLES) {
      for (const text of format[role] ?? []) {
        const key = keyAt(text, 0)
        const bucket = buckets.get(key) ?? []
        bucket.push({ text, role, format: format.id })
        buckets.set(key, bucket)
      }
    }
  }
  return buckets
}

const NO_MARKS: readonly Mark[] = []
/** Longer than the longest mark. */
const REACH = 96
const LEADING = /^[\s\-=*#|>_.:~+<([•·"'!—–]+/

/** The marks that a line begins with, none for most lines. Total. */
export function marksOf(line: string): readonly Mark[] {
  const from = isAlphanumeric(line.charCodeAt(0)) ? 0 : (LEADING.exec(line.slice(0, REACH * 2))?.[0].length ?? 0)
  const bucket = index.get(keyAt(line, from))
  if (bucket === undefined) return NO_MARKS
  const start = line.slice(from, from + REACH).toLowerCase()
  const marks = bucket.filter((mark) => start.startsWith(mark.text))
  return marks.length === 0 ? NO_MARKS : marks
}

function isAlphanumeric(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || (code >= 0x30 && code <= 0x39)
}

/** Whether a line is nothing but its mark: a title, with its words below it. */
export function isTitleOf(line: string, mark: Mark): boolean {
  return (
    line
      .replace(LEADING, '')
      .slice(mark.text.length)
      .replace(/^[^:：]{0,60}[:：]/, '')
      .replace(/[^\p{L}\p{N}]+/gu, '').length < 4 || /[:：]\s*$|-{4,}\s*$/.test(line)
  )
}

type HeaderMark = { readonly row: number; readonly needle: string }

/** Header name → what its value contains, and whose it is. */
const headerIndex = buildHeaderIndex()

function buildHeaderIndex(): ReadonlyMap<string, readonly HeaderMark[]> {
  const marks = new Map<string, HeaderMark[]>()
  for (const [row, format] of FORMATS.entries()) {
    for (const [name, needles] of Object.entries(format.header ?? {})) {
      const bucket = marks.get(name) ?? []
      bucket.push(...needles.map((needle) => ({ row, needle })))
      marks.set(name, bucket)
    }
  }
  return marks
}

/** The rows whose header fields this mail bears. `headers`: names lower case. */
export function formatsByHeader(headers: Readonly<Record<string, string>>): readonly string[] {
  const rows = new Set<number>()
  for (const [name, marks] of headerIndex) {
    const value = headers[name]
    if (value === undefined) continue
    const lower = value.slice(0, 512).toLowerCase()
    for (const mark of marks) if (lower.includes(mark.needle)) rows.add(mark.row)
  }
  return [...rows].sort((a, b) => a - b).map((row) => FORMATS[row]?.id ?? '')
}

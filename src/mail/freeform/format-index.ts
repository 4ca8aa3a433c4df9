/**
 * format-index - finds the rows of mail/freeform/formats that a line or a header matches
 *
 * All markers are in one index over the beginnings of lines, so a line costs one lookup whatever the number of rows.
 * A marker is compared with the beginning of a line after bullets, dashes and brackets: lower case, at least three characters.
 *
 * Pure, total. See also: mail/freeform/formats, mail/freeform/reader.
 */
import { MARKER_ROLES } from './bounce-format.ts'
import type { MarkerRole } from './bounce-format.ts'
import { BOUNCE_FORMATS } from './formats.ts'

export type LineMarker = { readonly text: string; readonly role: MarkerRole; readonly format: string }

const markerIndex = buildMarkerIndex()

/** Buckets markers by their first three characters: enough to tell them apart, and short enough for a Chinese word. */
function hashPrefix(text: string, from: number): number {
  return ((lowerCodeAt(text, from) * 31 + lowerCodeAt(text, from + 1)) * 31 + lowerCodeAt(text, from + 2)) & 0x3fff_ffff
}

function lowerCodeAt(text: string, at: number): number {
  const code = text.charCodeAt(at)
  if (code < 0x80) return code >= 0x41 && code <= 0x5a ? code + 0x20 : code
  return text.charAt(at).toLowerCase().charCodeAt(0)
}

function buildMarkerIndex(): ReadonlyMap<number, readonly LineMarker[]> {
  const buckets = new Map<number, LineMarker[]>()
  for (const format of BOUNCE_FORMATS) {
    for (const role of MARKER_ROLES) {
      for (const text of format[role] ?? []) {
        const key = hashPrefix(text, 0)
        const bucket = buckets.get(key) ?? []
        bucket.push({ text, role, format: format.id })
        buckets.set(key, bucket)
      }
    }
  }
  return buckets
}

const NO_MARKERS: readonly LineMarker[] = []
/** Longer than the longest marker. */
const MAX_MARKER_LENGTH = 96
const LEADING_PUNCTUATION = /^[\s\-=*#|>_.:~+<([•·"'!—–]+/
/** The ASCII characters of LEADING_PUNCTUATION. */
const PUNCTUATION_CODES: readonly boolean[] = Array.from({ length: 128 }, (_, code) => LEADING_PUNCTUATION.test(String.fromCharCode(code)))

/** The markers at the beginning of a line; none for most lines. Total. */
export function findLineMarkers(line: string): readonly LineMarker[] {
  const from = skipPunctuation(line)
  const bucket = markerIndex.get(hashPrefix(line, from))
  if (bucket === undefined) return NO_MARKERS
  const start = line.slice(from, from + MAX_MARKER_LENGTH).toLowerCase()
  const markers = bucket.filter((marker) => start.startsWith(marker.text))
  return markers.length === 0 ? NO_MARKERS : markers
}

/** The offset after bullets, dashes and brackets. */
function skipPunctuation(line: string): number {
  const end = Math.min(line.length, MAX_MARKER_LENGTH * 2)
  let at = 0
  while (at < end && PUNCTUATION_CODES[line.charCodeAt(at)] === true) at++
  return at === end || line.charCodeAt(at) < 0x80 ? at : (LEADING_PUNCTUATION.exec(line.slice(0, end))?.[0].length ?? 0)
}

/** Whether a line contains nothing but its marker: a title whose section is below it. */
export function isSectionTitle(line: string, marker: LineMarker): boolean {
  return (
    line
      .replace(LEADING_PUNCTUATION, '')
      .slice(marker.text.length)
      .replace(/^[^:：]{0,60}[:：]/, '')
      .replace(/[^\p{L}\p{N}]+/gu, '').length < 4 || /[:：]\s*$|-{4,}\s*$/.test(line)
  )
}

type HeaderMarker = { readonly row: number; readonly needle: string }

/** Header name → strings in its value, each with its row. */
const headerIndex = buildHeaderIndex()

function buildHeaderIndex(): ReadonlyMap<string, readonly HeaderMarker[]> {
  const markers = new Map<string, HeaderMarker[]>()
  for (const [row, format] of BOUNCE_FORMATS.entries()) {
    for (const [name, needles] of Object.entries(format.header ?? {})) {
      const bucket = markers.get(name) ?? []
      bucket.push(...needles.map((needle) => ({ row, needle })))
      markers.set(name, bucket)
    }
  }
  return markers
}

/** The ids of the rows whose header fields occur in a message. `headers`: names lower case. Total. */
export function matchFormatsByHeader(headers: Readonly<Record<string, string>>): readonly string[] {
  const rows: number[] = []
  for (const [name, markers] of headerIndex) {
    const value = headers[name]
    if (value === undefined) continue
    const lower = value.slice(0, 512).toLowerCase()
    for (const { row, needle } of markers) if (lower.includes(needle) && !rows.includes(row)) rows.push(row)
  }
  return rows.length === 0 ? NO_FORMATS : rows.sort((a, b) => a - b).map((row) => BOUNCE_FORMATS[row]?.id ?? '')
}

const NO_FORMATS: readonly string[] = []

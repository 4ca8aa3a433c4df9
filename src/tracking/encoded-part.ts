/**
 * encoded-part - edits of a part's text, applied to the part as it is encoded for transfer
 *
 * What the edits do not replace keeps its bytes, soft line breaks and spelling included. In base64 the decoded bytes stay, with the line
 * length of the part. A body that has no exact decoding is not edited.
 *
 * Pure, total, linear. RFC 2045 §6.7, §6.8. See also: tracking/mail-edits, compose/transfer-encoding.
 */
import { MAX_LINE_LENGTH } from '../compose/header-line.ts'
import { SAMPLE_TOKENS, slotUrl, type InsertedText, type MailPiece, type TextEdit, type TrackingSlot } from './tracking-slot.ts'

/** An encoded part with its places for links. `base64`: the pieces are the decoded bytes. */
export type EncodedPieces = { readonly pieces: readonly MailPiece[]; readonly base64: Base64Layout | null }

export type Base64Layout = { readonly lineLength: number; readonly lineEnd: string; readonly isTerminated: boolean }

/** A decoded body, with the place of each decoded byte in the encoded body. */
type EncodedPart = {
  readonly text: string
  readonly encoding: 'identity' | 'quoted-printable' | 'base64'
  readonly body: string
  /** Of quoted-printable: where each byte begins and ends. */
  readonly starts: Uint32Array
  readonly ends: Uint32Array
}

const NO_OFFSETS = new Uint32Array()

/** Decodes a body, one character for each byte. Null: its decoding is ambiguous. */
export function decodePart(body: string, encoding: EncodedPart['encoding']): EncodedPart | null {
  if (encoding === 'quoted-printable') return decodeQuotedPrintablePart(body)
  if (encoding === 'identity') return { text: body, encoding, body, starts: NO_OFFSETS, ends: NO_OFFSETS }
  const bare = body.replaceAll(/[\r\n\t ]/g, '')
  const bytes = Buffer.from(bare, 'base64')
  return bytes.toString('base64') === bare ? { text: bytes.toString('latin1'), encoding, body, starts: NO_OFFSETS, ends: NO_OFFSETS } : null
}

const EQUALS_SIGN = 0x3d

/** The value of two hexadecimal digits; -1: there are none. */
function octetAt(body: string, at: number): number {
  const high = HEX_DIGITS.indexOf(body.charAt(at))
  const low = HEX_DIGITS.indexOf(body.charAt(at + 1))
  return body.length < at + 2 || high < 0 || low < 0 ? -1 : (high % 16) * 16 + (low % 16)
}

/** Twice, in both cases, so that the position modulo 16 is the value. */
const HEX_DIGITS = '0123456789ABCDEF0123456789abcdef'

/** Equals signs that begin no escape are text, as every reader shows them. */
function decodeQuotedPrintablePart(body: string): EncodedPart {
  const starts = new Uint32Array(body.length)
  const ends = new Uint32Array(body.length)
  const bytes = Buffer.alloc(body.length)
  const softBreak = /=[ \t]*(?:\r?\n|$)/y
  let length = 0
  for (let at = 0; at < body.length;) {
    const code = body.charCodeAt(at)
    const value = code === EQUALS_SIGN ? octetAt(body, at + 1) : code
    const end = code === EQUALS_SIGN && value >= 0 ? at + 3 : at + 1
    if (value < 0) {
      softBreak.lastIndex = at
      if (softBreak.test(body)) {
        at = softBreak.lastIndex
        continue
      }
    }
    bytes[length] = value < 0 ? code : value
    starts[length] = at
    ends[length] = end
    length += 1
    at = end
  }
  return { text: bytes.toString('latin1', 0, length), encoding: 'quoted-printable', body, starts, ends }
}

/** Applies edits. Null: a line would be longer than relays pass, or a 7-bit body would get other octets; quoted-printable can hold them. */
export function editPart(part: EncodedPart, edits: readonly TextEdit[], base: string): EncodedPieces | null {
  if (part.encoding === 'quoted-printable') return { pieces: editQuotedPrintable(part, edits, base), base64: null }
  const pieces = applyEdits(part.text, edits, base)
  if (part.encoding === 'base64') return { pieces, base64: layoutOf(part.body) }
  return isTransportable(part.text, pieces) ? { pieces, base64: null } : null
}

/** Applies edits to a text that is not encoded. */
export function applyEdits(text: string, edits: readonly TextEdit[], base: string): readonly MailPiece[] {
  const pieces: MailPiece[] = []
  let at = 0
  for (const { start, end, insert } of edits) {
    pieces.push(text.slice(at, start), ...insert.map((each) => toPiece(each, base)))
    at = end
  }
  return [...pieces, text.slice(at)]
}

const toPiece = (each: string | TrackingSlot, base: string): MailPiece =>
  typeof each === 'string' ? each : { slot: each, from: 0, to: lengthOf(each, base) }

const lengthOf = (slot: TrackingSlot, base: string): number => slotUrl(slot, base, SAMPLE_TOKENS)?.length ?? 0

function isTransportable(before: string, pieces: readonly MailPiece[]): boolean {
  const after = pieces.map((piece) => (typeof piece === 'string' ? piece : 'x'.repeat(piece.to - piece.from))).join('')
  const isBinary = /[\x80-\xff]/
  if (isBinary.test(after) && !isBinary.test(before)) return false
  return !after.split('\n').some((line) => line.length > MAX_LINE_LENGTH)
}

function layoutOf(body: string): Base64Layout {
  const firstLine = /^[A-Za-z0-9+/=]*/.exec(body)?.[0].length ?? 0
  // A multiple of 4 that a decoder of lines accepts (RFC 2045 §6.8: at most 76).
  const lineLength = firstLine >= 4 && firstLine <= 76 && firstLine < body.length ? firstLine - (firstLine % 4) : 76
  return { lineLength, lineEnd: body.includes('\r\n') || !body.includes('\n') ? '\r\n' : '\n', isTerminated: body.endsWith('\n') }
}

/** RFC 2045 §6.7 (5), without the equals sign of a soft line break. */
const MAX_QUOTED_LINE = 75

function editQuotedPrintable({ body, starts, ends, text }: EncodedPart, edits: readonly TextEdit[], base: string): readonly MailPiece[] {
  const pieces: MailPiece[] = []
  const softBreak = body.includes('\r\n') || !body.includes('\n') ? '=\r\n' : '=\n'
  let at = 0
  let column = 0
  for (const { start, end, insert } of edits) {
    const from = start === text.length ? body.length : (starts[start] ?? 0)
    const kept = body.slice(at, from)
    column = columnAfter(column, kept)
    const isBroken = from === body.length && /=[ \t]*$/.test(kept)
    // A soft line break whose line end belongs to the boundary, or a full last line.
    const ended = isBroken ? [kept, softBreak.slice(1)] : column > MAX_QUOTED_LINE ? breakBeforeLast(kept, softBreak) : [kept]
    pieces.push(...ended)
    column = ended.length === 1 ? column : (ended[2]?.length ?? 0)
    at = end > start ? (ends[end - 1] ?? from) : from
    const laid = layOut(insert, { column, softBreak, base })
    pieces.push(...laid.pieces)
    column = laid.column
    if (column + restOfLine(body, at) > MAX_QUOTED_LINE + 1) {
      pieces.push(softBreak)
      column = 0
    }
  }
  pieces.push(body.slice(at))
  return pieces
}

/** A line without a soft line break can have one character more. The break goes before that character, which keeps the text. */
function breakBeforeLast(kept: string, softBreak: string): readonly string[] {
  const last = /=[0-9A-Fa-f]{2}$|[^\n]$/.exec(kept)?.[0]
  return last === undefined ? [kept] : [kept.slice(0, -last.length), softBreak, last]
}

function columnAfter(column: number, kept: string): number {
  const newline = kept.lastIndexOf('\n')
  return newline < 0 ? column + kept.length : kept.length - newline - 1
}

/** The length of what follows on the line, soft line break included; more than a line holds if it is longer. */
function restOfLine(body: string, at: number): number {
  const [rest = ''] = body.slice(at, at + MAX_QUOTED_LINE + 3).split('\n')
  return rest.endsWith('\r') ? rest.length - 1 : rest.length
}

type Layout = { readonly column: number; readonly softBreak: string; readonly base: string }

/** Encodes an insertion with soft line breaks. The links have no character that needs an escape. */
function layOut(
  insert: InsertedText,
  { column, softBreak, base }: Layout,
): { readonly pieces: readonly MailPiece[]; readonly column: number } {
  const pieces: MailPiece[] = []
  let used = column
  const breakFor = (width: number): void => {
    if (used + width <= MAX_QUOTED_LINE) return
    pieces.push(softBreak)
    used = 0
  }
  for (const each of insert) {
    if (typeof each === 'string') {
      for (const unit of each.match(/\r?\n|[^]/g) ?? []) {
        const isLineEnd = unit.endsWith('\n')
        const escaped = isLineEnd || /^[ !-<>-~]$/.test(unit) ? unit : escapeOctet(unit)
        if (!isLineEnd) breakFor(escaped.length)
        pieces.push(escaped)
        used = isLineEnd ? 0 : used + escaped.length
      }
      continue
    }
    const length = lengthOf(each, base)
    for (let from = 0; from < length;) {
      breakFor(1)
      const to = Math.min(length, from + MAX_QUOTED_LINE - used)
      pieces.push({ slot: each, from, to })
      used += to - from
      from = to
    }
  }
  return { pieces, column: used }
}

const escapeOctet = (character: string): string => `=${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`

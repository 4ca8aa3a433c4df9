/**
 * part-charset - the bytes of a text part as a text in which markup can be found
 *
 * Each byte is one character. In the charsets of mail a byte below 0x40 outside of escape sequences is always ASCII, and no trail byte is a
 * character of markup. ISO-2022-JP writes Japanese with bytes of ASCII, so these runs are masked. Text whose bytes are not a superset of ASCII
 * (UTF-16, UTF-7, HZ, ISO-2022-KR, DOS code pages, unknown labels) cannot be edited exactly and has no such text.
 *
 * Pure, total, linear. RFC 1468, WHATWG Encoding. See also: mail/mime/charset-label, tracking/html-edits.
 */
import { hasJapaneseEscapes } from '../mail/mime/charset.ts'
import { isLibmimeCodepage, resolveCharset } from '../mail/mime/charset-label.ts'

export type EditableText = {
  /** As long as the part. Characters above 0x7F are not ASCII. */
  readonly text: string
  /** Whether bytes above 0x7F are UTF-8. */
  readonly isUtf8: boolean
  /** As resolved; '' if none is declared. */
  readonly charset: string
  /** Whether ASCII can be added at the end. */
  readonly endsInAscii: boolean
}

/** Not supersets of ASCII. */
const NOT_EDITABLE: ReadonlySet<string> = new Set(['utf-7', 'utf-16le', 'utf-16be', 'iso-2022-kr', 'hz-gb-2312', 'replacement'])
const ISO_2022_JP = 'iso-2022-jp'
/** ASCII, and JIS X 0201 Roman, which differs from it in two characters that no markup and no link of ours has. */
const ASCII_ESCAPES: ReadonlySet<string> = new Set(['\u001b(B', '\u001b(J'])
const ESCAPE_SEQUENCE = /\u001b(?:\$[@B]|\$\([@-D]|[(.][@-Z]|N.)/g

/** Null: the part cannot be edited exactly. `latin1` is the decoded part, one character for each byte. */
export function toEditableText(latin1: string, label: string | null): EditableText | null {
  const charset = resolveCharset(label)
  if (charset === null || NOT_EDITABLE.has(charset) || isLibmimeCodepage(charset) || latin1.includes('\0')) return null
  if (charset === ISO_2022_JP) return maskJapanese(latin1)
  // Escapes contradict the label, so it does not say how the bytes are read.
  if (hasJapaneseEscapes(latin1)) return null
  return { text: latin1, isUtf8: charset === 'utf-8' || charset === '', charset, endsInAscii: true }
}

function maskJapanese(latin1: string): EditableText {
  const pieces: string[] = []
  let at = 0
  let isAscii = true
  const push = (end: number): void => {
    pieces.push(isAscii ? latin1.slice(at, end) : MASK.repeat(end - at))
    at = end
  }
  for (const { index, 0: escape } of latin1.matchAll(ESCAPE_SEQUENCE)) {
    push(index)
    pieces.push(MASK.repeat(escape.length))
    at = index + escape.length
    isAscii = ASCII_ESCAPES.has(escape)
  }
  push(latin1.length)
  return { text: pieces.join(''), isUtf8: false, charset: ISO_2022_JP, endsInAscii: isAscii }
}

/** Any character that is not ASCII. */
const MASK = '\u0080'

/**
 * charset - decodes bytes of any declared charset
 *
 * Labels in bounces are often misspelt, obsolete or absent. A known label is used (mail/mime/charset-label). If the bytes contradict a
 * UTF-8
 * or ASCII label, or there is no label, UTF-8 is tried, then a guess (mail/mime/charset-detect). ISO-2022-JP is recognised by its escapes.
 *
 * Pure, total: any bytes and any label give text. WHATWG Encoding, RFC 1468, RFC 1557, RFC 1843, RFC 2152.
 * See also: mail/mime/content, mail/mime/header.
 */
import { isUtf8 } from 'node:buffer'
import libmime from 'libmime/lib/charset.js'
import { detectCharset } from './charset-detect.ts'
import { getDecoder, isLibmimeCodepage, resolveCharset } from './charset-label.ts'

/** RFC 1468 and the larger sets of its successors. */
const JAPANESE_ESCAPES = ['\x1b$B', '\x1b$@', '\x1b$(', '\x1b(J'] as const
const SEVEN_BIT_CHARSETS = new Set(['iso-2022-jp', 'iso-2022-kr', 'hz-gb-2312', 'utf-7'])
const looseUtf8 = new TextDecoder('utf-8')

/**
 * Decodes bytes. Without a usable label: UTF-8 if valid, else a guess, else windows-1252. Total.
 *
 *     decodeText(Buffer.from([0xd3, 0xca, 0xcf, 0xe4]), 'gb2312') → '邮箱'
 */
export function decodeText(bytes: Uint8Array, label: string | null): string {
  const name = resolveCharset(label)
  if (name === null || name === '' || name === 'utf-8') return decodeUndeclared(bytes)
  // High bytes contradict a 7-bit charset, so the label is wrong.
  if (SEVEN_BIT_CHARSETS.has(name) && bytes.some((byte) => byte > 0x7f)) return decodeUndeclared(bytes)
  if (name === 'utf-7') return decodeUtf7(toLatin1(bytes))
  if (name === 'iso-2022-kr') return decodeWith('euc-kr', expandShifted(bytes, KOREAN_SHIFT))
  if (name === 'hz-gb-2312') return decodeWith('gb18030', expandShifted(bytes, CHINESE_SHIFT))
  if (isLibmimeCodepage(name)) return decodeCodepage(bytes, name)
  return decodeWith(name, bytes)
}

/** Whether a 7-bit text contains the escapes of ISO-2022-JP, with or without a label. */
export function hasJapaneseEscapes(text: string): boolean {
  return text.includes('\x1b') && JAPANESE_ESCAPES.some((escape) => text.includes(escape))
}

/** Decodes 7-bit ISO-2022-JP. Text outside the escapes is kept. */
export function decodeJapanese(latin1: string): string {
  return decodeWith('iso-2022-jp', Buffer.from(latin1, 'latin1'))
}

function decodeUndeclared(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) return decodeDetected(detectCharset(bytes), bytes)
  const text = looseUtf8.decode(bytes)
  return hasJapaneseEscapes(text) ? decodeWith('iso-2022-jp', bytes) : text
}

function decodeDetected(name: string, bytes: Uint8Array): string {
  if (name !== 'windows-1252') return decodeWith(name, bytes)
  // Without these bytes it is the same as ISO-8859-1, which needs no table.
  const latin1 = toLatin1(bytes)
  return /[\x80-\x9f]/.test(latin1) ? decodeWith(name, bytes) : latin1
}

function decodeWith(name: string, bytes: Uint8Array): string {
  return (getDecoder(name) ?? looseUtf8).decode(bytes)
}

function decodeCodepage(bytes: Uint8Array, name: string): string {
  try {
    return libmime.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), name)
  } catch {
    return looseUtf8.decode(bytes)
  }
}

/** Sequences between which 7-bit pairs stand for 8-bit pairs. The designator is dropped. */
type ShiftSequences = { readonly designator: string; readonly shiftOut: string; readonly shiftIn: string }
const KOREAN_SHIFT: ShiftSequences = { designator: '\x1b$)C', shiftOut: '\x0e', shiftIn: '\x0f' }
const CHINESE_SHIFT: ShiftSequences = { designator: '~\n', shiftOut: '~{', shiftIn: '~}' }

/** Converts 7-bit runs between shift sequences (ISO-2022-KR, HZ) to 8-bit bytes of the same set. A run ends at the end of its line. */
function expandShifted(bytes: Uint8Array, shift: ShiftSequences): Uint8Array {
  const [first = '', ...runs] = toLatin1(bytes).replaceAll(shift.designator, '').split(shift.shiftOut)
  const expanded = runs.map((run) => {
    const ends = [run.indexOf(shift.shiftIn), run.indexOf('\n')].filter((at) => at >= 0)
    const end = Math.min(run.length, ...ends)
    const rest = run.startsWith(shift.shiftIn, end) ? end + shift.shiftIn.length : end
    return run.slice(0, end).replace(/[!-~]/g, (char) => String.fromCharCode(char.charCodeAt(0) | 0x80)) + run.slice(rest)
  })
  return Buffer.from(first + expanded.join(''), 'latin1')
}

/**
 * RFC 2152: `+` begins a run of base64 over UTF-16, `-` or another character ends it, `+-` is a plus. Old versions of Exchange write
 * UTF-7.
 */
function decodeUtf7(text: string): string {
  return text.replace(/\+([A-Za-z0-9+/]*)-?/g, (_all, run: string) => {
    if (run === '') return '+'
    const units = Buffer.from(run, 'base64')
    let out = ''
    for (let i = 0; i + 1 < units.length; i += 2) out += String.fromCharCode(units.readUInt16BE(i))
    return out
  })
}

function toLatin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

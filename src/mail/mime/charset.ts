/**
 * charset - bytes of any declared charset as text
 *
 * Labels in bounces are often wrong: misspelt, of another age, or absent. A known label is obeyed (gb2312 is read as its
 * superset gb18030); where bytes break a UTF-8 or ASCII promise, or nobody promised anything, UTF-8 is tried, then a guess
 * (mail/mime/charset-detect). ISO-2022-JP needs no label: its escapes show it.
 *
 * Pure, total: any bytes and any label give text. WHATWG Encoding, RFC 1468, RFC 1557, RFC 1843, RFC 2152. See also: mail/mime/mime, mail/mime/header.
 */
import libmime from 'libmime/lib/charset.js'
import { detectCharset } from './charset-detect.ts'

/** Where a label is not one that TextDecoder knows. The right side is what it knows, or a name of CODEPAGE or SHIFTED. */
const CHARSET_ALIASES: Readonly<Record<string, string>> = {
  gb2312: 'gb18030',
  gbk: 'gb18030',
  gb_2312: 'gb18030',
  'gb_2312-80': 'gb18030',
  'x-gbk': 'gb18030',
  cp936: 'gb18030',
  ms936: 'gb18030',
  cp932: 'shift_jis',
  'x-sjis': 'shift_jis',
  'shift-jis': 'shift_jis',
  cp949: 'euc-kr',
  ms949: 'euc-kr',
  uhc: 'euc-kr',
  ks_c_5601: 'euc-kr',
  'ks_c_5601-1987': 'euc-kr',
  cp950: 'big5',
  'big5-eten': 'big5',
  eucjp: 'euc-jp',
  'x-euc': 'euc-jp',
  'utf8-mac': 'utf-8',
  'unicode-1-1-utf-8': 'utf-8',
  'iso-10646-utf-8': 'utf-8',
  utf8mb4: 'utf-8',
  'iso-2022-jp-1': 'iso-2022-jp',
  'iso-2022-jp-2': 'iso-2022-jp',
  'iso-2022-jp-3': 'iso-2022-jp',
  'iso-2022-jp-ms': 'iso-2022-jp',
  cp50220: 'iso-2022-jp',
  cp50221: 'iso-2022-jp',
  'unicode-1-1-utf-7': 'utf-7',
  'x-unicode-2-0-utf-7': 'utf-7',
  utf7: 'utf-7',
  hz: 'hz-gb-2312',
  ansi: 'windows-1252',
  'latin-1': 'windows-1252',
  'iso-8859-1-windows': 'windows-1252',
  'us-ascii-8bit': '',
}

/** Labels that promise nothing about high bytes. */
const UNDECLARED_LABELS = new Set([
  '',
  'us-ascii',
  'ascii',
  'ansi_x3.4-1968',
  '7bit',
  '8bit',
  'unknown-8bit',
  'x-unknown',
  'unknown',
  'binary',
  'default',
  'none',
  'null',
])
/** RFC 1468 and the larger sets of its successors. */
const JAPANESE_ESCAPES = ['\x1b$B', '\x1b$@', '\x1b$(', '\x1b(J'] as const
const SEVEN_BIT_CHARSETS = new Set(['iso-2022-jp', 'iso-2022-kr', 'hz-gb-2312', 'utf-7'])
/** DOS and Mac code pages that TextDecoder does not know and libmime does. */
const LIBMIME_CODEPAGE = /^(?:cp|ibm)(?:437|720|737|775|8\d\d|1129|1133|1161|1162|1163)$/
/** Longer labels are nonsense. */
const MAX_LABEL_LENGTH = 60

const decoderCache = new Map<string, TextDecoder | null>()
const strictUtf8 = new TextDecoder('utf-8', { fatal: true })
const looseUtf8 = new TextDecoder('utf-8')

/** A label as written, as one of the names that decodeText acts on; '' promises nothing, null is unknown. Total. */
export function resolveCharset(label: string | null): string | null {
  if (label === null || label.length > MAX_LABEL_LENGTH) return label === null ? '' : null
  const bare = label.toLowerCase().replace(/[\s"'<>;]/g, '')
  if (UNDECLARED_LABELS.has(bare)) return ''
  const name = Object.hasOwn(CHARSET_ALIASES, bare) ? (CHARSET_ALIASES[bare] ?? bare) : bare
  if (name === 'utf-7' || name === 'iso-2022-kr' || name === 'hz-gb-2312') return name
  const codepage = name.replace(/^(cp|ibm)[-_]/, '$1')
  if (LIBMIME_CODEPAGE.test(codepage) && codepage !== 'ibm866') return codepage
  const known =
    getDecoder(name) ?? getDecoder(name.replace(/_/g, '-')) ?? getDecoder(name.replace(/^(?:cp|win|windows|x-cp)-?(?=125\d$)/, 'windows-'))
  return known === null ? null : known.encoding
}

/**
 * Bytes as text. A label that the bytes break, an unknown one, or none: UTF-8 if it fits, else a guess, else windows-1252. Total.
 *
 *     decodeText(Buffer.from([0xd3, 0xca, 0xcf, 0xe4]), 'gb2312') → '邮箱'
 */
export function decodeText(bytes: Uint8Array, label: string | null): string {
  const name = resolveCharset(label)
  if (name === null || name === '' || name === 'utf-8') return decodeUndeclared(bytes)
  // A 7-bit charset that is not: the label was copied from elsewhere.
  if (SEVEN_BIT_CHARSETS.has(name) && bytes.some((byte) => byte > 0x7f)) return decodeUndeclared(bytes)
  if (name === 'utf-7') return decodeUtf7(toLatin1(bytes))
  if (name === 'iso-2022-kr') return decodeWith('euc-kr', expandShifted(bytes, KOREAN_SHIFT))
  if (name === 'hz-gb-2312') return decodeWith('gb18030', expandShifted(bytes, CHINESE_SHIFT))
  if (LIBMIME_CODEPAGE.test(name)) return decodeCodepage(bytes, name)
  return decodeWith(name, bytes)
}

/** Whether a 7-bit text is ISO-2022-JP by its escapes, label or not. */
export function hasJapaneseEscapes(text: string): boolean {
  return text.includes('\x1b') && JAPANESE_ESCAPES.some((escape) => text.includes(escape))
}

/** 7-bit ISO-2022-JP as text; what the escapes do not cover stays. */
export function decodeJapanese(latin1: string): string {
  return decodeWith('iso-2022-jp', Buffer.from(latin1, 'latin1'))
}

function decodeUndeclared(bytes: Uint8Array): string {
  try {
    const text = strictUtf8.decode(bytes)
    return hasJapaneseEscapes(text) ? decodeWith('iso-2022-jp', bytes) : text
  } catch {
    return decodeWith(detectCharset(bytes), bytes)
  }
}

function decodeWith(name: string, bytes: Uint8Array): string {
  return (getDecoder(name) ?? looseUtf8).decode(bytes)
}

function getDecoder(name: string): TextDecoder | null {
  const known = decoderCache.get(name)
  if (known !== undefined) return known
  let created: TextDecoder | null
  try {
    created = new TextDecoder(name)
  } catch {
    created = null
  }
  // A stranger chooses the labels, so the memory of them is bounded.
  if (decoderCache.size < 500) decoderCache.set(name, created)
  return created
}

function decodeCodepage(bytes: Uint8Array, name: string): string {
  try {
    return libmime.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), name)
  } catch {
    return looseUtf8.decode(bytes)
  }
}

/** Marks between which 7-bit pairs stand for 8-bit ones; `announce` is dropped. */
type ShiftSequences = { readonly designator: string; readonly shiftOut: string; readonly shiftIn: string }
const KOREAN_SHIFT: ShiftSequences = { designator: '\x1b$)C', shiftOut: '\x0e', shiftIn: '\x0f' }
const CHINESE_SHIFT: ShiftSequences = { designator: '~\n', shiftOut: '~{', shiftIn: '~}' }

/** 7-bit runs between shift marks as 8-bit bytes of the same set (ISO-2022-KR, HZ); a run ends with its line. */
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

/** RFC 2152: `+` opens a run of base64 over UTF-16, `-` or any other character ends it, `+-` is a plus. Old Exchange labels its reports so. */
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

/**
 * charset-label - the charset that a label in a mail means
 *
 * Labels in bounces are misspelt, obsolete or made up. A known label maps to a charset that TextDecoder or libmime can decode; gb2312 is
 * read as its superset gb18030.
 *
 * Pure, total; decoders are cached, at most 500. WHATWG Encoding. See also: mail/mime/charset (decodes).
 */

/** Labels that TextDecoder does not know, mapped to a charset that it or mail/mime/charset decodes. */
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

/** Labels that do not declare a charset for high bytes. */
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
/** DOS and Mac code pages that libmime decodes and TextDecoder does not. */
const LIBMIME_CODEPAGE = /^(?:cp|ibm)(?:437|720|737|775|8\d\d|1129|1133|1161|1162|1163)$/
/** Longer labels are invalid. */
const MAX_LABEL_LENGTH = 60

/** More than twice the labels that TextDecoder knows. */
const MAX_CACHED_DECODERS = 500

const decoderCache = new Map<string, TextDecoder | null>()

/** Maps a label to a charset that decodeText supports. '' means undeclared, null unknown. Total. */
export function resolveCharset(label: string | null): string | null {
  if (label === null || label.length > MAX_LABEL_LENGTH) return label === null ? '' : null
  const bare = label.toLowerCase().replace(/[\s"'<>;]/g, '')
  if (UNDECLARED_LABELS.has(bare)) return ''
  const name = Object.hasOwn(CHARSET_ALIASES, bare) ? (CHARSET_ALIASES[bare] ?? bare) : bare
  if (name === 'utf-7' || name === 'iso-2022-kr' || name === 'hz-gb-2312') return name
  const codepage = name.replace(/^(cp|ibm)[-_]/, '$1')
  if (isLibmimeCodepage(codepage) && codepage !== 'ibm866') return codepage
  const known =
    getDecoder(name) ?? getDecoder(name.replace(/_/g, '-')) ?? getDecoder(name.replace(/^(?:cp|win|windows|x-cp)-?(?=125\d$)/, 'windows-'))
  return known === null ? null : known.encoding
}

/** Whether a charset is one that only libmime can decode. */
export function isLibmimeCodepage(name: string): boolean {
  return LIBMIME_CODEPAGE.test(name)
}

/** The decoder of a charset; null when TextDecoder does not know it. */
export function getDecoder(name: string): TextDecoder | null {
  const known = decoderCache.get(name)
  if (known !== undefined) return known
  let created: TextDecoder | null
  try {
    created = new TextDecoder(name)
  } catch {
    created = null
  }
  // Strangers choose the labels, so the cache is bounded. It starts anew when it is full: invented labels must not keep the real ones out.
  if (decoderCache.size >= MAX_CACHED_DECODERS) decoderCache.clear()
  decoderCache.set(name, created)
  return created
}

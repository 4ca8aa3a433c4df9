/**
 * charset-detect - the charset of bytes that nobody has named
 *
 * Looks at the runs of high bytes of the first 4,096. Western text has them alone between letters, Cyrillic in words of any length,
 * Chinese, Japanese and Korean in pairs: Shift_JIS leads with 81-9F, kana of EUC-JP with A4 and A5, hangul with B0-C8 nearly always, and
 * half of Big5's pairs end below 80. UTF-8 that was cut or has a few broken sequences is still UTF-8.
 *
 * Pure, total, linear. See also: mail/mime/charset (who asks, and what labels say).
 */

type DetectedCharset = 'utf-8' | 'gb18030' | 'big5' | 'shift_jis' | 'euc-jp' | 'euc-kr' | 'koi8-r' | 'windows-1251' | 'windows-1252'

/** The share of a text that a guess looks at. */
const SAMPLE_BYTES = 4_096

/** What bytes that are not UTF-8 probably are. Total. */
export function detectCharset(bytes: Uint8Array): DetectedCharset {
  const end = Math.min(bytes.length, SAMPLE_BYTES)
  if (isMostlyUtf8(bytes, end)) return 'utf-8'
  const pairs = countPairs(bytes, end)
  if (pairs.low > pairs.high && pairs.low > pairs.odd) return 'shift_jis'
  const letterRuns = countWords(bytes, end)
  if (isCyrillic(letterRuns)) return letterRuns.lowerRange > letterRuns.upperRange ? 'windows-1251' : 'koi8-r'
  if (isBig5(bytes, end)) return 'big5'
  if (pairs.high < 2 || pairs.high <= 8 * pairs.odd) return 'windows-1252'
  if (pairs.kana * 4 > pairs.high) return 'euc-jp'
  return pairs.hangul >= 4 && pairs.hangul * 10 > pairs.high * 9 ? 'euc-kr' : 'gb18030'
}

type BytePairCounts = { high: number; low: number; odd: number; kana: number; hangul: number }

/** Marks (A1-A3) say nothing of a language and are not counted among `high`. */
function countPairs(bytes: Uint8Array, end: number): BytePairCounts {
  const count: BytePairCounts = { high: 0, low: 0, odd: 0, kana: 0, hangul: 0 }
  for (let i = 0; i < end;) {
    const lead = bytes[i] ?? 0
    const trail = bytes[i + 1] ?? 0
    if (lead < 0x80) {
      i++
    } else if (lead >= 0xa1 && trail >= 0xa1 && trail <= 0xfe) {
      if (lead > 0xa3) count.high++
      if (lead === 0xa4 || lead === 0xa5) count.kana++
      if (lead >= 0xb0 && lead <= 0xc8) count.hangul++
      i += 2
    } else if (lead >= 0x81 && lead <= 0x9f && trail >= 0x40 && trail <= 0xfc && trail !== 0x7f) {
      count.low++
      i += 2
    } else {
      count.odd++
      i++
    }
  }
  return count
}

type LetterRunCounts = { runs: number; oddRuns: number; letters: number; otherBytes: number; lowerRange: number; upperRange: number }

/** Words of three letters and more on average, with hardly a high byte between them; a few of them only where one has an odd length. */
function isCyrillic(letterRuns: LetterRunCounts): boolean {
  if (letterRuns.letters <= 3 * letterRuns.runs || letterRuns.otherBytes * 20 > letterRuns.letters) return false
  return letterRuns.letters >= 12 || (letterRuns.letters >= 6 && letterRuns.oddRuns > 0)
}

/** Runs of C0-FF, where both Cyrillic charsets have their letters: small ones of windows-1251 in `lower`, of KOI8-R in `upper`. */
function countWords(bytes: Uint8Array, end: number): LetterRunCounts {
  const count: LetterRunCounts = { runs: 0, oddRuns: 0, letters: 0, otherBytes: 0, lowerRange: 0, upperRange: 0 }
  let run = 0
  for (let i = 0; i <= end; i++) {
    const byte = i < end ? (bytes[i] ?? 0) : 0
    if (byte >= 0xc0) {
      run++
      if (byte >= 0xe0) count.lowerRange++
      else count.upperRange++
      continue
    }
    if (byte >= 0x80) count.otherBytes++
    if (run > 0) {
      count.runs++
      count.letters += run
      if (run % 2 === 1) count.oddRuns++
    }
    run = 0
  }
  return count
}

/** Pairs that follow each other without a gap, a good share of them with an ASCII letter as their second half. */
function isBig5(bytes: Uint8Array, end: number): boolean {
  let pairs = 0
  let chained = 0
  let mixed = 0
  for (let i = 0; i + 1 < end;) {
    const lead = bytes[i] ?? 0
    const trail = bytes[i + 1] ?? 0
    const isMixed = trail >= 0x40 && trail <= 0x7e
    if (lead < 0xa1 || lead > 0xf9 || (!isMixed && (trail < 0xa1 || trail > 0xfe))) {
      if (lead >= 0x80) return false
      i++
      continue
    }
    pairs++
    if (isMixed) mixed++
    const next = bytes[i + 2] ?? 0
    if (next >= 0xa1) chained++
    i += 2
  }
  return pairs >= 4 && mixed * 8 >= pairs && chained * 10 >= pairs * 6
}

/** A few broken sequences in a text that is otherwise UTF-8: a footer in another charset, or a cut. */
function isMostlyUtf8(bytes: Uint8Array, end: number): boolean {
  let good = 0
  let bad = 0
  for (let i = 0; i < end; i++) {
    const lead = bytes[i] ?? 0
    if (lead < 0x80) continue
    const expected = lead >= 0xc2 && lead <= 0xdf ? 1 : lead >= 0xe0 && lead <= 0xef ? 2 : lead >= 0xf0 && lead <= 0xf4 ? 3 : 0
    let actual = 0
    while (actual < expected && ((bytes[i + actual + 1] ?? 0) & 0xc0) === 0x80) actual++
    if (expected > 0 && actual === expected) good++
    else if (i + actual + 1 < bytes.length) bad++
    i += actual
  }
  return good >= 2 && good > 4 * bad
}

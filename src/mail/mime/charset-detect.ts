/**
 * charset-detect - guesses the charset of undeclared bytes
 *
 * Examines the runs of high bytes in the first 4,096 bytes. Western text has single high bytes between letters, Cyrillic has words of any
 * length, Chinese, Japanese and Korean have pairs: Shift_JIS leads with 81-9F, kana of EUC-JP with A4 and A5, hangul mostly with B0-C8,
 * and
 * half of the pairs of Big5 end below 80. UTF-8 that was cut or has a few broken sequences still counts as UTF-8.
 *
 * Pure, total, linear. See also: mail/mime/charset, mail/mime/charset-label.
 */

type DetectedCharset = 'utf-8' | 'gb18030' | 'big5' | 'shift_jis' | 'euc-jp' | 'euc-kr' | 'koi8-r' | 'windows-1251' | 'windows-1252'

/** Number of bytes that are examined. */
const SAMPLE_BYTES = 4_096

/** The probable charset of bytes. Total. */
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

/** Punctuation (A1-A3) is the same in several charsets and is not counted in `high`. */
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

/** Words of at least three letters on average, with hardly any other high byte. A short text also needs a run of odd length. */
function isCyrillic(letterRuns: LetterRunCounts): boolean {
  if (letterRuns.letters <= 3 * letterRuns.runs || letterRuns.otherBytes * 20 > letterRuns.letters) return false
  return letterRuns.letters >= 12 || (letterRuns.letters >= 6 && letterRuns.oddRuns > 0)
}

/**
 * Runs of C0-FF, the letters of both Cyrillic charsets. Lower-case letters are in `lowerRange` for windows-1251, in `upperRange` for
 * KOI8-R.
 */
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

/** Pairs without gaps, a good share of them with an ASCII letter as second byte. */
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

/** Whether a text is UTF-8 apart from a few broken sequences, such as a footer in another charset or a cut at the end. */
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

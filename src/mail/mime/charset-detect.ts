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
  const highs = findHighBytes(bytes, Math.min(bytes.length, SAMPLE_BYTES))
  if (isMostlyUtf8(bytes, highs)) return 'utf-8'
  const pairs = countPairs(bytes, highs)
  if (pairs.low > pairs.high && pairs.low > pairs.odd) return 'shift_jis'
  const letterRuns = countWords(bytes, highs)
  if (isCyrillic(letterRuns)) return letterRuns.lowerRange > letterRuns.upperRange ? 'windows-1251' : 'koi8-r'
  if (isBig5(bytes, highs)) return 'big5'
  if (pairs.high < 2 || pairs.high <= 8 * pairs.odd) return 'windows-1252'
  if (pairs.kana * 4 > pairs.high) return 'euc-jp'
  return pairs.hangul >= 4 && pairs.hangul * 10 > pairs.high * 9 ? 'euc-kr' : 'gb18030'
}

/** The offsets of the bytes from 80 on. Most texts have few. */
function findHighBytes(bytes: Uint8Array, end: number): readonly number[] {
  const offsets: number[] = []
  for (let at = 0; at < end; at++) if ((bytes[at] ?? 0) >= 0x80) offsets.push(at)
  return offsets
}

type BytePairCounts = { high: number; low: number; odd: number; kana: number; hangul: number }

/** Punctuation (A1-A3) is the same in several charsets and is not counted in `high`. */
function countPairs(bytes: Uint8Array, highs: readonly number[]): BytePairCounts {
  const count: BytePairCounts = { high: 0, low: 0, odd: 0, kana: 0, hangul: 0 }
  let next = 0
  for (const at of highs) {
    if (at < next) continue
    const lead = bytes[at] ?? 0
    const trail = bytes[at + 1] ?? 0
    next = at + 2
    if (lead >= 0xa1 && trail >= 0xa1 && trail <= 0xfe) {
      if (lead > 0xa3) count.high++
      if (lead === 0xa4 || lead === 0xa5) count.kana++
      if (lead >= 0xb0 && lead <= 0xc8) count.hangul++
    } else if (lead >= 0x81 && lead <= 0x9f && trail >= 0x40 && trail <= 0xfc && trail !== 0x7f) {
      count.low++
    } else {
      count.odd++
      next = at + 1
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
function countWords(bytes: Uint8Array, highs: readonly number[]): LetterRunCounts {
  const count: LetterRunCounts = { runs: 0, oddRuns: 0, letters: 0, otherBytes: 0, lowerRange: 0, upperRange: 0 }
  let runStart = -1
  let runEnd = -1
  const closeRun = (): void => {
    if (runEnd === runStart) return
    count.runs++
    if ((runEnd - runStart) % 2 === 1) count.oddRuns++
  }
  for (const at of highs) {
    const byte = bytes[at] ?? 0
    if (byte < 0xc0) {
      count.otherBytes++
      continue
    }
    count.letters++
    if (byte >= 0xe0) count.lowerRange++
    else count.upperRange++
    if (at !== runEnd) {
      closeRun()
      runStart = at
    }
    runEnd = at + 1
  }
  closeRun()
  return count
}

/** Pairs without gaps, a good share of them with an ASCII letter as second byte. */
function isBig5(bytes: Uint8Array, highs: readonly number[]): boolean {
  let [pairs, chained, mixed, next] = [0, 0, 0, 0]
  const last = Math.min(bytes.length, SAMPLE_BYTES) - 1
  for (const at of highs) {
    if (at < next) continue
    if (at >= last) break
    const lead = bytes[at] ?? 0
    const trail = bytes[at + 1] ?? 0
    const isMixed = trail >= 0x40 && trail <= 0x7e
    if (lead < 0xa1 || lead > 0xf9 || (!isMixed && (trail < 0xa1 || trail > 0xfe))) return false
    pairs++
    if (isMixed) mixed++
    if ((bytes[at + 2] ?? 0) >= 0xa1) chained++
    next = at + 2
  }
  return pairs >= 4 && mixed * 8 >= pairs && chained * 10 >= pairs * 6
}

/** Whether a text is UTF-8 apart from a few broken sequences, such as a footer in another charset or a cut at the end. */
function isMostlyUtf8(bytes: Uint8Array, highs: readonly number[]): boolean {
  let [good, bad, next] = [0, 0, 0]
  for (const at of highs) {
    if (at < next) continue
    const lead = bytes[at] ?? 0
    const expected = lead >= 0xc2 && lead <= 0xdf ? 1 : lead >= 0xe0 && lead <= 0xef ? 2 : lead >= 0xf0 && lead <= 0xf4 ? 3 : 0
    let actual = 0
    while (actual < expected && ((bytes[at + actual + 1] ?? 0) & 0xc0) === 0x80) actual++
    if (expected > 0 && actual === expected) good++
    else if (at + actual + 1 < bytes.length) bad++
    next = at + actual + 1
  }
  return good >= 2 && good > 4 * bad
}

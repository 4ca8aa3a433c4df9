/**
 * phrase-index - finds all phrases that occur in a text, in one pass
 *
 * At each word of the text a look-up tells which segments may occur there (classify/word-index). All occurrences of all segments are
 * found, overlapping ones included. Then each phrase with gaps checks that its segments follow each other within the gap length. The work
 * is bounded by the length of the text times a small constant, whatever the text contains.
 *
 * Pure: a search leaves nothing in the index. See also: classify/phrase (grammar of phrases), classify/rule-table (builds the index).
 */
import { continuesWord, isWordCharCode, MAX_GAP_LENGTH, type Phrase, type Segment } from './phrase.ts'
import {
  createWordIndex,
  extendWord,
  keyOfBeginning,
  keyOfPair,
  keyOfWords,
  LONG_BEGINNING,
  SHORT_BEGINNING,
  slotOf,
  WORD_CODES,
  type WordIndex,
} from './word-index.ts'

/**
 * `findPhrases` returns the numbers of all phrases that match a normalised text, ascending. A number is a position in the list from which
 * the index was created.
 */
export type PhraseIndex = { readonly size: number; readonly findPhrases: (normal: string) => readonly number[] }

/** A segment and the phrases that it completes. */
type IndexedSegment = Segment & {
  /** Phrases that consist of this segment alone. */
  readonly wholePhrases: number[]
  /** Phrases with gaps whose longest segment this is: they are checked when it was found. */
  readonly gappedPhrases: GappedPhrase[]
  /** Whether a phrase with gaps needs all positions of this segment. */
  keepsAllPositions: boolean
  /** The starts of this segment in the text that is being searched, or the first one only. */
  positions: number[]
}

type GappedPhrase = { readonly number: number; readonly segments: readonly IndexedSegment[] }

/**
 * A segment that may occur where its anchor, which has a key, ends in the text. `anchorEnd` is where the anchor ends in the segment. Most candidates do
 * not occur, so each contains what is compared: objects elsewhere in memory would cost more than the comparison.
 */
type Candidate = Segment & { readonly segment: IndexedSegment; readonly key: number; readonly anchorEnd: number }

const segmentKeyOf = (segment: Segment): string =>
  `${segment.requiresBoundaryBefore ? '<' : '-'}${segment.requiresBoundaryAfter ? '>' : '-'}${segment.text}`

/** The position of the longest segment of a phrase: usually the rarest, so it triggers the check of the phrase. */
function longestSegmentIndex(segments: readonly Segment[]): number {
  return segments.reduce((best, segment, at) => (segment.text.length > (segments[best]?.text.length ?? 0) ? at : best), 0)
}

/** Whether segments that were found follow each other within the gap length. Linear in the number of their positions, which are ascending. */
function areWithinGap(segments: readonly IndexedSegment[]): boolean {
  const [first, ...others] = segments
  let ends = first?.positions.map((start) => start + first.text.length) ?? []
  for (const { positions, text } of others) {
    const next: number[] = []
    let at = 0
    for (const start of positions) {
      while (at + 1 < ends.length && (ends[at + 1] ?? Infinity) <= start) at++
      const end = ends[at] ?? Infinity
      if (end <= start && start - end <= MAX_GAP_LENGTH) next.push(start + text.length)
    }
    ends = next
  }
  return ends.length > 0
}

const NO_POSITIONS: number[] = []

/** Indexes each distinct segment once, and returns all with the segments of each phrase. */
function collectSegments(phrases: readonly Phrase[]): {
  readonly segments: readonly IndexedSegment[]
  readonly parts: readonly (readonly IndexedSegment[])[]
} {
  const byKey = new Map<string, IndexedSegment>()
  const indexed = (segment: Segment): IndexedSegment => {
    const key = segmentKeyOf(segment)
    const existing = byKey.get(key)
    if (existing !== undefined) return existing
    const created = { ...segment, wholePhrases: [], gappedPhrases: [], keepsAllPositions: false, positions: NO_POSITIONS }
    byKey.set(key, created)
    return created
  }
  const parts = phrases.map(({ segments }) => segments.map(indexed))
  return { segments: [...byKey.values()], parts }
}

/** Creates the index. The order of the phrases changes their numbers only. */
export function createPhraseIndex(phrases: readonly Phrase[]): PhraseIndex {
  const { segments, parts } = collectSegments(phrases)
  for (const [number, phraseSegments] of parts.entries()) {
    const longest = phraseSegments[longestSegmentIndex(phraseSegments)]
    if (phraseSegments.length === 1) longest?.wholePhrases.push(number)
    else longest?.gappedPhrases.push({ number, segments: phraseSegments })
    for (const segment of phraseSegments) segment.keepsAllPositions ||= phraseSegments.length > 1
  }
  const index = createWordIndex(segments, (segment, { key, end }): Candidate => {
    const { text, requiresBoundaryBefore, requiresBoundaryAfter } = segment
    return { key, anchorEnd: end, text, requiresBoundaryBefore, requiresBoundaryAfter, segment }
  })
  const { found, record, forget } = createSegmentRecorder()
  const scan = createScanner(index, record)
  const findPhrases = (text: string): readonly number[] => {
    scan(text)
    const numbers = found.length === 0 ? NO_PHRASES : collectPhrases(found)
    forget()
    return numbers
  }
  return { size: phrases.length, findPhrases }
}

const NO_PHRASES: readonly number[] = []

/** The start of a segment whose anchor ends at `end`, or -1 if the text does not match. */
function matchSegmentAt(candidate: Candidate, text: string, end: number): number {
  const start = end - candidate.anchorEnd
  if (start < 0 || !text.startsWith(candidate.text, start)) return -1
  if (candidate.requiresBoundaryBefore && start > 0 && isWordCharCode(text.charCodeAt(start - 1))) return -1
  const after = start + candidate.text.length
  if (candidate.requiresBoundaryAfter && after < text.length && continuesWord(text.charCodeAt(after))) return -1
  return start
}

type SegmentRecorder = {
  readonly found: IndexedSegment[]
  /** Records those of the candidates with a key that occur where their anchor ends at `end`. */
  readonly record: (candidates: readonly Candidate[] | undefined, key: number, text: string, end: number) => void
  readonly forget: () => void
}

/** Keeps the segments that were found in a text, and in each its positions, which is cheaper than a map for each text. */
function createSegmentRecorder(): SegmentRecorder {
  const found: IndexedSegment[] = []
  const record: SegmentRecorder['record'] = (candidates, key, text, end) => {
    if (candidates === undefined) return
    for (const candidate of candidates) {
      const start = candidate.key === key ? matchSegmentAt(candidate, text, end) : -1
      if (start < 0) continue
      const { segment } = candidate
      if (segment.positions === NO_POSITIONS) {
        segment.positions = [start]
        found.push(segment)
      } else if (segment.keepsAllPositions) segment.positions.push(start)
    }
  }
  const forget = (): void => {
    for (const segment of found) segment.positions = NO_POSITIONS
    found.length = 0
  }
  return { found, record, forget }
}

/** Records the segments of a text in one scan. */
function createScanner({ words, pairs }: WordIndex<Candidate>, record: SegmentRecorder['record']): (text: string) => void {
  const recordWord = (key: number, text: string, end: number): void => {
    const list = words.listBySlot[slotOf(key)] ?? 0
    if (list !== 0) record(words.lists[list], key, text, end)
  }
  return (text) => {
    let [before, previousWord, word, length] = [0, 0, 0, 0]
    for (let at = 0; at <= text.length; at++) {
      // A character that belongs to no word ends the last word of the text.
      const code = at < text.length ? text.charCodeAt(at) : 0
      const pair = pairs.listBySlot[slotOf(keyOfPair(before, code))] ?? 0
      if (pair !== 0) record(pairs.lists[pair], keyOfPair(before, code), text, at)
      before = code
      if (code < 128 && WORD_CODES[code] === true) {
        word = extendWord(word, code)
        length++
        if (length === SHORT_BEGINNING || length === LONG_BEGINNING) recordWord(keyOfBeginning(word, length), text, at)
      } else if (length > 0) {
        recordWord(word, text, at - 1)
        recordWord(keyOfWords(previousWord, word), text, at - 1)
        previousWord = word
        word = 0
        length = 0
      }
    }
  }
}

/** The phrases that the found segments complete. */
function collectPhrases(found: readonly IndexedSegment[]): readonly number[] {
  const numbers: number[] = []
  for (const { wholePhrases, gappedPhrases } of found) {
    for (const number of wholePhrases) numbers.push(number)
    for (const { number, segments } of gappedPhrases) if (areFound(segments) && areWithinGap(segments)) numbers.push(number)
  }
  return numbers.length < 2 ? numbers : numbers.sort((a, b) => a - b)
}

function areFound(segments: readonly IndexedSegment[]): boolean {
  for (const { positions } of segments) if (positions === NO_POSITIONS) return false
  return true
}

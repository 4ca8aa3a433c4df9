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
  readonly id: number
  /** Phrases that consist of this segment alone. */
  readonly wholePhrases: number[]
  /** Phrases with gaps whose longest segment this is: they are checked when it was found. */
  readonly gappedPhrases: number[]
  /** Whether a phrase with gaps needs all positions of this segment. */
  keepsAllPositions: boolean
  /** The starts of this segment in the text that is being searched, or the first one only. */
  positions: number[]
}

/** A segment that may occur where its anchor, which has a key, ends in the text. `anchorEnd` is where the anchor ends in the segment. */
type Candidate = { readonly segment: IndexedSegment; readonly key: number; readonly anchorEnd: number }

const segmentKeyOf = (segment: Segment): string =>
  `${segment.requiresBoundaryBefore ? '<' : '-'}${segment.requiresBoundaryAfter ? '>' : '-'}${segment.text}`

/** The position of the longest segment of a phrase: usually the rarest, so it triggers the check of the phrase. */
function longestSegmentIndex(segments: readonly Segment[]): number {
  return segments.reduce((best, segment, at) => (segment.text.length > (segments[best]?.text.length ?? 0) ? at : best), 0)
}

/**
 * Whether the segments follow each other within the gap length. `positions` are the starts of each segment, ascending. Linear in their
 * number.
 */
function areWithinGap(texts: readonly string[], positions: readonly (readonly number[])[]): boolean {
  let ends = positions[0]?.map((start) => start + (texts[0]?.length ?? 0)) ?? []
  for (let part = 1; part < texts.length && ends.length > 0; part++) {
    const next: number[] = []
    let at = 0
    for (const start of positions[part] ?? []) {
      while (at + 1 < ends.length && (ends[at + 1] ?? Infinity) <= start) at++
      const end = ends[at] ?? Infinity
      if (end <= start && start - end <= MAX_GAP_LENGTH) next.push(start + (texts[part]?.length ?? 0))
    }
    ends = next
  }
  return ends.length > 0
}

const NO_POSITIONS: number[] = []

/** Numbers each distinct segment once, and returns the segments of each phrase. */
function numberSegments(phrases: readonly Phrase[]): {
  readonly segments: readonly IndexedSegment[]
  readonly parts: readonly (readonly number[])[]
} {
  const segments: IndexedSegment[] = []
  const byKey = new Map<string, number>()
  const idOf = (segment: Segment): number => {
    const key = segmentKeyOf(segment)
    const existingId = byKey.get(key)
    if (existingId !== undefined) return existingId
    const id = segments.length
    segments.push({ ...segment, id, wholePhrases: [], gappedPhrases: [], keepsAllPositions: false, positions: NO_POSITIONS })
    byKey.set(key, id)
    return id
  }
  return { parts: phrases.map((phrase) => phrase.segments.map(idOf)), segments }
}

/** Creates the index. The order of the phrases changes their numbers only. */
export function createPhraseIndex(phrases: readonly Phrase[]): PhraseIndex {
  const { segments, parts } = numberSegments(phrases)
  for (const [number, ids] of parts.entries()) {
    const longestSegment = segments[ids[longestSegmentIndex(phrases[number]?.segments ?? [])] ?? -1]
    if (ids.length === 1) longestSegment?.wholePhrases.push(number)
    else longestSegment?.gappedPhrases.push(number)
    for (const id of ids) {
      const segment = segments[id]
      if (segment !== undefined && ids.length > 1) segment.keepsAllPositions = true
    }
  }
  const chains = parts.map((ids) => (ids.length > 1 ? { ids, texts: ids.map((id) => segments[id]?.text ?? '') } : null))
  const index = createWordIndex(segments, (segment, { key, end }): Candidate => ({ segment, key, anchorEnd: end }))
  const { found, record, forget } = createSegmentRecorder()
  const scan = createScanner(index, record)
  const findPhrases = (text: string): readonly number[] => {
    scan(text)
    const numbers = found.length === 0 ? NO_PHRASES : collectPhrases({ segments, chains }, found)
    forget()
    return numbers
  }
  return { size: phrases.length, findPhrases }
}

const NO_PHRASES: readonly number[] = []

type Chain = { readonly ids: readonly number[]; readonly texts: readonly string[] }
type CompiledPhrases = { readonly segments: readonly IndexedSegment[]; readonly chains: readonly (Chain | null)[] }

/** The start of a segment whose anchor ends at `end`, or -1 if the text does not match. */
function matchSegmentAt({ segment, anchorEnd }: Candidate, text: string, end: number): number {
  const start = end - anchorEnd
  if (start < 0 || !text.startsWith(segment.text, start)) return -1
  if (segment.requiresBoundaryBefore && start > 0 && isWordCharCode(text.charCodeAt(start - 1))) return -1
  const after = start + segment.text.length
  if (segment.requiresBoundaryAfter && after < text.length && continuesWord(text.charCodeAt(after))) return -1
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
function collectPhrases({ segments, chains }: CompiledPhrases, found: readonly IndexedSegment[]): readonly number[] {
  const numbers: number[] = []
  for (const { wholePhrases, gappedPhrases } of found) {
    for (const number of wholePhrases) numbers.push(number)
    for (const number of gappedPhrases) if (occursWithGaps(segments, chains[number])) numbers.push(number)
  }
  return numbers.length < 2 ? numbers : numbers.sort((a, b) => a - b)
}

function occursWithGaps(segments: readonly IndexedSegment[], chain: Chain | null | undefined): boolean {
  if (chain === null || chain === undefined) return false
  for (const id of chain.ids) if (segments[id]?.positions === NO_POSITIONS) return false
  return areWithinGap(
    chain.texts,
    chain.ids.map((id) => segments[id]?.positions ?? []),
  )
}

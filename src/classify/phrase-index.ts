/**
 * phrase-index - finds all phrases that occur in a text, in one pass
 *
 * At each position of the text a look-up tells which segments may end there (classify/gram-index). All occurrences of all segments are
 * found, overlapping ones included. Then each phrase with gaps checks that its segments follow each other within the gap length. The work
 * is bounded by the length of the text times a small constant, whatever the text contains.
 *
 * Pure: an index is immutable. See also: classify/phrase (grammar of phrases), classify/rule-table (builds the index).
 */
import { countGrams, createGramIndex, addToRarestGram, type GramIndex, slotOf } from './gram-index.ts'
import { continuesWord, isWordCharCode, MAX_GAP_LENGTH, type Phrase, type Segment } from './phrase.ts'

/**
 * `findPhrases` returns the numbers of all phrases that match a normalised text, ascending. A number is a position in the list from which
 * the index was created.
 */
export type PhraseIndex = { readonly size: number; readonly findPhrases: (normal: string) => readonly number[] }

/** A segment and the phrases that it completes. `gramEnd` is where its indexed n-gram ends in the segment. */
type IndexedSegment = {
  readonly id: number
  readonly text: string
  readonly gramEnd: number
  readonly requiresBoundaryBefore: boolean
  readonly requiresBoundaryAfter: boolean
  /** Phrases that consist of this segment alone. */
  readonly wholePhrases: number[]
  /** Phrases with gaps whose longest segment this is: they are checked when it was found. */
  readonly gappedPhrases: number[]
  /** Whether a phrase with gaps needs all positions of this segment. */
  keepsAllPositions: boolean
}

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

/** Segments of at least 8, 4 and 2 characters, each indexed under the longest n-gram that fits. */
const createGramIndexes = (): readonly [GramIndex, GramIndex, GramIndex] => [
  createGramIndex(8, 4, 18),
  createGramIndex(4, 8, 18),
  createGramIndex(2, 16, 16),
]

/** Indexes each distinct segment once, and returns the segments of each phrase. */
function indexSegments(
  phrases: readonly Phrase[],
  gramIndexes: readonly GramIndex[],
): { readonly segments: readonly IndexedSegment[]; readonly parts: readonly (readonly number[])[] } {
  const segments: IndexedSegment[] = []
  const byKey = new Map<string, number>()
  const texts = new Set(phrases.flatMap((phrase) => phrase.segments.map((segment) => segment.text)))
  const counted = gramIndexes.map((grams) => ({ grams, counts: countGrams(texts, grams) }))
  const idOf = (segment: Segment): number => {
    const key = segmentKeyOf(segment)
    const existingId = byKey.get(key)
    if (existingId !== undefined) return existingId
    const id = segments.length
    const gramIndex = counted.find(({ grams }) => segment.text.length >= grams.gramLength)
    const gramEnd = gramIndex === undefined ? 0 : addToRarestGram(gramIndex.grams, gramIndex.counts, { text: segment.text, id })
    segments.push({ ...segment, id, gramEnd, wholePhrases: [], gappedPhrases: [], keepsAllPositions: false })
    byKey.set(key, id)
    return id
  }
  return { parts: phrases.map((phrase) => phrase.segments.map(idOf)), segments }
}

/** Creates the index. The order of the phrases changes their numbers only. */
export function createPhraseIndex(phrases: readonly Phrase[]): PhraseIndex {
  const [eight, four, two] = createGramIndexes()
  const { segments, parts } = indexSegments(phrases, [eight, four, two])
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
  return { size: phrases.length, findPhrases: createPhraseFinder({ eight, four, two, segments, chains }) }
}

type CompiledPhraseIndex = {
  readonly eight: GramIndex
  readonly four: GramIndex
  readonly two: GramIndex
  readonly segments: readonly IndexedSegment[]
  readonly chains: readonly ({ readonly ids: readonly number[]; readonly texts: readonly string[] } | null)[]
}

/** The positions of each segment that was found. A segment that no phrase with gaps needs keeps its first position only. */
type SegmentPositions = Map<number, number[]>

/** The start of a segment whose indexed n-gram ends at `end`, or -1 if the text does not match. */
function matchSegmentAt(segment: IndexedSegment, text: string, end: number): number {
  const start = end - segment.gramEnd
  if (start < 0) return -1
  if (segment.requiresBoundaryBefore && start > 0 && isWordCharCode(text.charCodeAt(start - 1))) return -1
  const { text: segmentText } = segment
  const after = start + segmentText.length
  if (after > text.length) return -1
  for (let at = 0; at < segmentText.length; at++) if (text.charCodeAt(start + at) !== segmentText.charCodeAt(at)) return -1
  if (segment.requiresBoundaryAfter && after < text.length && continuesWord(text.charCodeAt(after))) return -1
  return start
}

/** Records the segments of one bucket whose n-gram ends at `end`. */
function recordSegments(bucket: readonly IndexedSegment[], text: string, end: number, positions: SegmentPositions): void {
  for (const segment of bucket) {
    const start = matchSegmentAt(segment, text, end)
    if (start < 0) continue
    const seen = positions.get(segment.id)
    if (seen === undefined) positions.set(segment.id, [start])
    else if (segment.keepsAllPositions) seen.push(start)
  }
}

/** Scans a text once. Each rolling hash shifts so far that characters older than its n-gram length drop out (classify/gram-index). */
function createPhraseFinder({ eight, four, two, segments, chains }: CompiledPhraseIndex): PhraseIndex['findPhrases'] {
  const bucketsOf = (grams: GramIndex): readonly (readonly IndexedSegment[])[] =>
    grams.buckets.map((ids) => ids.flatMap((id) => segments[id] ?? []))
  const [eights, fours, twos] = [bucketsOf(eight), bucketsOf(four), bucketsOf(two)]
  return (text) => {
    const positions: SegmentPositions = new Map()
    let hash8 = 0
    let hash4 = 0
    let hash2 = 0
    for (let end = 0; end < text.length; end++) {
      const code = text.charCodeAt(end)
      hash8 = (hash8 << 4) ^ code
      hash4 = (hash4 << 8) ^ code
      hash2 = (hash2 << 16) ^ code
      const bucket8 = eight.bucketByHash[slotOf(hash8, 18)] ?? 0
      if (bucket8 !== 0) recordSegments(eights[bucket8] ?? [], text, end, positions)
      const bucket4 = four.bucketByHash[slotOf(hash4, 18)] ?? 0
      if (bucket4 !== 0) recordSegments(fours[bucket4] ?? [], text, end, positions)
      const bucket2 = two.bucketByHash[slotOf(hash2, 16)] ?? 0
      if (bucket2 !== 0) recordSegments(twos[bucket2] ?? [], text, end, positions)
    }
    return positions.size === 0 ? [] : collectPhrases({ segments, chains }, positions)
  }
}

/** The phrases that the found segments complete. */
function collectPhrases({ segments, chains }: Pick<CompiledPhraseIndex, 'segments' | 'chains'>, positions: SegmentPositions): number[] {
  const found: number[] = []
  for (const id of positions.keys()) {
    const segment = segments[id]
    if (segment === undefined) continue
    found.push(...segment.wholePhrases)
    for (const number of segment.gappedPhrases) {
      const chain = chains[number]
      if (chain === null || chain === undefined) continue
      const partPositions = chain.ids.map((part) => positions.get(part) ?? [])
      if (partPositions.every((list) => list.length > 0) && areWithinGap(chain.texts, partPositions)) found.push(number)
    }
  }
  return found.sort((a, b) => a - b)
}

/**
 * phrase-index - one index over all phrases, which finds every one that stands in a text
 *
 * A text is walked once; at each place a look-up says which segments may end there (classify/gram-index). All occurrences of all segments are found,
 * overlapping ones too; then phrases with gaps check that their segments follow each other within the gap. Work is bounded by the length of
 * the text times a small constant, whatever the text is.
 *
 * Pure: an index never changes. See also: classify/phrase (the grammar of phrases), classify/rule-table (who builds it).
 */
import { countGrams, createGramIndex, addToRarestGram, type GramIndex, slotOf } from './gram-index.ts'
import { isWordCharCode, MAX_GAP_LENGTH, type Phrase, type Segment } from './phrase.ts'

/** Finds the numbers (positions in the list that the index was made of) of all phrases that hold in a normalised text, ascending. */
export type PhraseIndex = { readonly size: number; readonly findPhrases: (normal: string) => readonly number[] }

/** A segment with what it completes. `at`: where in the segment its filed run ends. */
type IndexedSegment = {
  readonly id: number
  readonly text: string
  readonly gramEnd: number
  readonly requiresBoundaryBefore: boolean
  readonly requiresBoundaryAfter: boolean
  /** Phrases that are this segment alone. */
  readonly wholePhrases: number[]
  /** Phrases with gaps that are tried when this segment was found: it is their longest. */
  readonly gappedPhrases: number[]
  /** Whether a phrase with gaps needs its places. */
  keepsAllPositions: boolean
}

const segmentKeyOf = (segment: Segment): string =>
  `${segment.requiresBoundaryBefore ? '<' : '-'}${segment.requiresBoundaryAfter ? '>' : '-'}${segment.text}`

/** Where the longest segment of a phrase stands in it: the rarest, as a rule, and so the one that wakes the phrase. */
function longestSegmentIndex(segments: readonly Segment[]): number {
  return segments.reduce((best, segment, at) => (segment.text.length > (segments[best]?.text.length ?? 0) ? at : best), 0)
}

/** Whether the segments follow each other within the gap; `places` are the starts of each, ascending. Linear in their number. */
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

/** Segments of at least eight, four and two characters: each under the longest run that it has. */
const createGramIndexes = (): readonly [GramIndex, GramIndex, GramIndex] => [
  createGramIndex(8, 4, 18),
  createGramIndex(4, 8, 18),
  createGramIndex(2, 16, 16),
]

/** Files every different segment once and says which segments each phrase is made of. */
function indexSegments(
  phrases: readonly Phrase[],
  gramIndexes: readonly GramIndex[],
): { readonly filed: readonly IndexedSegment[]; readonly parts: readonly (readonly number[])[] } {
  const filed: IndexedSegment[] = []
  const byKey = new Map<string, number>()
  const texts = new Set(phrases.flatMap((phrase) => phrase.segments.map((segment) => segment.text)))
  const counted = gramIndexes.map((grams) => ({ grams, counts: countGrams(texts, grams) }))
  const idOf = (segment: Segment): number => {
    const key = segmentKeyOf(segment)
    const existingId = byKey.get(key)
    if (existingId !== undefined) return existingId
    const id = filed.length
    const under = counted.find(({ grams }) => segment.text.length >= grams.gramLength)
    const at = under === undefined ? 0 : addToRarestGram(under.grams, under.counts, { text: segment.text, id })
    filed.push({ ...segment, id, gramEnd: at, wholePhrases: [], gappedPhrases: [], keepsAllPositions: false })
    byKey.set(key, id)
    return id
  }
  return { parts: phrases.map((phrase) => phrase.segments.map(idOf)), filed }
}

/** Makes the index. The same phrases in another order find the same phrases. */
export function createPhraseIndex(phrases: readonly Phrase[]): PhraseIndex {
  const [eight, four, two] = createGramIndexes()
  const { filed, parts } = indexSegments(phrases, [eight, four, two])
  for (const [number, ids] of parts.entries()) {
    const segments = phrases[number]?.segments ?? []
    const longestSegment = filed[ids[longestSegmentIndex(segments)] ?? -1]
    if (ids.length === 1) longestSegment?.wholePhrases.push(number)
    else longestSegment?.gappedPhrases.push(number)
    for (const id of ids) {
      const segment = filed[id]
      if (segment !== undefined && ids.length > 1) segment.keepsAllPositions = true
    }
  }
  const chains = parts.map((ids) => (ids.length > 1 ? { ids, texts: ids.map((id) => filed[id]?.text ?? '') } : null))
  return { size: phrases.length, findPhrases: createPhraseFinder({ eight, four, two, segments: filed, chains }) }
}

type CompiledPhraseIndex = {
  readonly eight: GramIndex
  readonly four: GramIndex
  readonly two: GramIndex
  readonly segments: readonly IndexedSegment[]
  readonly chains: readonly ({ readonly ids: readonly number[]; readonly texts: readonly string[] } | null)[]
}

/** Where each segment that was found stands. A segment that no phrase with gaps needs keeps its first place only. */
type SegmentPositions = Map<number, number[]>

/** Whether a filed segment stands in the text with its run ending at `end`: the start of it, or -1. */
function matchSegmentAt(segment: IndexedSegment, text: string, end: number): number {
  const start = end - segment.gramEnd
  if (start < 0) return -1
  if (segment.requiresBoundaryBefore && start > 0 && isWordCharCode(text.charCodeAt(start - 1))) return -1
  const { text: segmentText } = segment
  const after = start + segmentText.length
  if (after > text.length) return -1
  for (let at = 0; at < segmentText.length; at++) if (text.charCodeAt(start + at) !== segmentText.charCodeAt(at)) return -1
  if (segment.requiresBoundaryAfter && after < text.length && isWordCharCode(text.charCodeAt(after))) return -1
  return start
}

/** Notes the segments of one bucket whose run ends at `end`. */
function recordSegments(bucket: readonly IndexedSegment[], text: string, end: number, positions: SegmentPositions): void {
  for (const segment of bucket) {
    const start = matchSegmentAt(segment, text, end)
    if (start < 0) continue
    const seen = positions.get(segment.id)
    if (seen === undefined) positions.set(segment.id, [start])
    else if (segment.keepsAllPositions) seen.push(start)
  }
}

/** Walks a text once. The three hashes roll by as many bits as make characters before their width fall out (classify/gram-index). */
function createPhraseFinder({ eight, four, two, segments: filed, chains }: CompiledPhraseIndex): PhraseIndex['findPhrases'] {
  const bucketsOf = (grams: GramIndex): readonly (readonly IndexedSegment[])[] =>
    grams.buckets.map((ids) => ids.flatMap((id) => filed[id] ?? []))
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
      const head8 = eight.bucketByHash[slotOf(hash8, 18)] ?? 0
      if (head8 !== 0) recordSegments(eights[head8] ?? [], text, end, positions)
      const head4 = four.bucketByHash[slotOf(hash4, 18)] ?? 0
      if (head4 !== 0) recordSegments(fours[head4] ?? [], text, end, positions)
      const head2 = two.bucketByHash[slotOf(hash2, 16)] ?? 0
      if (head2 !== 0) recordSegments(twos[head2] ?? [], text, end, positions)
    }
    return positions.size === 0 ? [] : collectPhrases({ segments: filed, chains }, positions)
  }
}

/** From segments to phrases. */
function collectPhrases(
  { segments: filed, chains }: Pick<CompiledPhraseIndex, 'segments' | 'chains'>,
  positions: SegmentPositions,
): number[] {
  const found: number[] = []
  for (const id of positions.keys()) {
    const segment = filed[id]
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

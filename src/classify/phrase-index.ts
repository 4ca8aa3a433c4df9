/**
 * phrase-index - one index over all phrases, which finds every one that stands in a text
 *
 * A text is walked once; at each place a look-up says which segments may end there (classify/gram-index). All occurrences of all segments are found,
 * overlapping ones too; then phrases with gaps check that their segments follow each other within the gap. Work is bounded by the length of
 * the text times a small constant, whatever the text is.
 *
 * Pure: an index never changes. See also: classify/phrase (the grammar of phrases), classify/rule-table (who builds it).
 */
import { countRuns, emptyGrams, fileUnder, type Grams, placeOf } from './gram-index.ts'
import { isWordCode, MAX_GAP, type Phrase, type Segment } from './phrase.ts'

/** Finds the numbers (positions in the list that the index was made of) of all phrases that hold in a normalised text, ascending. */
export type PhraseIndex = { readonly size: number; readonly find: (normal: string) => readonly number[] }

/** A segment with what it completes. `at`: where in the segment its filed run ends. */
type Filed = {
  readonly id: number
  readonly text: string
  readonly at: number
  readonly edgeBefore: boolean
  readonly edgeAfter: boolean
  /** Phrases that are this segment alone. */
  readonly whole: number[]
  /** Phrases with gaps that are tried when this segment was found: it is their longest. */
  readonly wakes: number[]
  /** Whether a phrase with gaps needs its places. */
  placed: boolean
}

const keyOf = (segment: Segment): string => `${segment.edgeBefore ? '<' : '-'}${segment.edgeAfter ? '>' : '-'}${segment.text}`

/** Where the longest segment of a phrase stands in it: the rarest, as a rule, and so the one that wakes the phrase. */
function longest(segments: readonly Segment[]): number {
  return segments.reduce((best, segment, at) => (segment.text.length > (segments[best]?.text.length ?? 0) ? at : best), 0)
}

/** Whether the segments follow each other within the gap; `places` are the starts of each, ascending. Linear in their number. */
function chained(texts: readonly string[], places: readonly (readonly number[])[]): boolean {
  let ends = places[0]?.map((start) => start + (texts[0]?.length ?? 0)) ?? []
  for (let part = 1; part < texts.length && ends.length > 0; part++) {
    const next: number[] = []
    let at = 0
    for (const start of places[part] ?? []) {
      while (at + 1 < ends.length && (ends[at + 1] ?? Infinity) <= start) at++
      const end = ends[at] ?? Infinity
      if (end <= start && start - end <= MAX_GAP) next.push(start + (texts[part]?.length ?? 0))
    }
    ends = next
  }
  return ends.length > 0
}

/** Segments of at least eight, four and two characters: each under the longest run that it has. */
const emptyWidths = (): readonly [Grams, Grams, Grams] => [emptyGrams(8, 4, 18), emptyGrams(4, 8, 18), emptyGrams(2, 16, 16)]

/** Files every different segment once and says which segments each phrase is made of. */
function fileAll(
  phrases: readonly Phrase[],
  widths: readonly Grams[],
): { readonly filed: readonly Filed[]; readonly parts: readonly (readonly number[])[] } {
  const filed: Filed[] = []
  const byKey = new Map<string, number>()
  const texts = new Set(phrases.flatMap((phrase) => phrase.segments.map((segment) => segment.text)))
  const counted = widths.map((grams) => ({ grams, counts: countRuns(texts, grams) }))
  const idOf = (segment: Segment): number => {
    const key = keyOf(segment)
    const known = byKey.get(key)
    if (known !== undefined) return known
    const id = filed.length
    const under = counted.find(({ grams }) => segment.text.length >= grams.length)
    const at = under === undefined ? 0 : fileUnder(under.grams, under.counts, { text: segment.text, id })
    filed.push({ ...segment, id, at, whole: [], wakes: [], placed: false })
    byKey.set(key, id)
    return id
  }
  return { parts: phrases.map((phrase) => phrase.segments.map(idOf)), filed }
}

/** Makes the index. The same phrases in another order find the same phrases. */
export function indexPhrases(phrases: readonly Phrase[]): PhraseIndex {
  const [eight, four, two] = emptyWidths()
  const { filed, parts } = fileAll(phrases, [eight, four, two])
  for (const [number, ids] of parts.entries()) {
    const segments = phrases[number]?.segments ?? []
    const main = filed[ids[longest(segments)] ?? -1]
    if (ids.length === 1) main?.whole.push(number)
    else main?.wakes.push(number)
    for (const id of ids) {
      const segment = filed[id]
      if (segment !== undefined && ids.length > 1) segment.placed = true
    }
  }
  const chains = parts.map((ids) => (ids.length > 1 ? { ids, texts: ids.map((id) => filed[id]?.text ?? '') } : null))
  return { size: phrases.length, find: finder({ eight, four, two, filed, chains }) }
}

type Compiled = {
  readonly eight: Grams
  readonly four: Grams
  readonly two: Grams
  readonly filed: readonly Filed[]
  readonly chains: readonly ({ readonly ids: readonly number[]; readonly texts: readonly string[] } | null)[]
}

/** Where each segment that was found stands. A segment that no phrase with gaps needs keeps its first place only. */
type Places = Map<number, number[]>

/** Whether a filed segment stands in the text with its run ending at `end`: the start of it, or -1. */
function standsAt(segment: Filed, text: string, end: number): number {
  const start = end - segment.at
  if (start < 0) return -1
  if (segment.edgeBefore && start > 0 && isWordCode(text.charCodeAt(start - 1))) return -1
  const { text: wanted } = segment
  const after = start + wanted.length
  if (after > text.length) return -1
  for (let at = 0; at < wanted.length; at++) if (text.charCodeAt(start + at) !== wanted.charCodeAt(at)) return -1
  if (segment.edgeAfter && after < text.length && isWordCode(text.charCodeAt(after))) return -1
  return start
}

/** Notes the segments of one bucket whose run ends at `end`. */
function note(bucket: readonly Filed[], text: string, end: number, places: Places): void {
  for (const segment of bucket) {
    const start = standsAt(segment, text, end)
    if (start < 0) continue
    const seen = places.get(segment.id)
    if (seen === undefined) places.set(segment.id, [start])
    else if (segment.placed) seen.push(start)
  }
}

/** Walks a text once. The three hashes roll by as many bits as make characters before their width fall out (classify/gram-index). */
function finder({ eight, four, two, filed, chains }: Compiled): PhraseIndex['find'] {
  const filedUnder = (grams: Grams): readonly (readonly Filed[])[] => grams.buckets.map((ids) => ids.flatMap((id) => filed[id] ?? []))
  const [eights, fours, twos] = [filedUnder(eight), filedUnder(four), filedUnder(two)]
  return (text) => {
    const places: Places = new Map()
    let hash8 = 0
    let hash4 = 0
    let hash2 = 0
    for (let end = 0; end < text.length; end++) {
      const code = text.charCodeAt(end)
      hash8 = (hash8 << 4) ^ code
      hash4 = (hash4 << 8) ^ code
      hash2 = (hash2 << 16) ^ code
      const head8 = eight.heads[placeOf(hash8, 18)] ?? 0
      if (head8 !== 0) note(eights[head8] ?? [], text, end, places)
      const head4 = four.heads[placeOf(hash4, 18)] ?? 0
      if (head4 !== 0) note(fours[head4] ?? [], text, end, places)
      const head2 = two.heads[placeOf(hash2, 16)] ?? 0
      if (head2 !== 0) note(twos[head2] ?? [], text, end, places)
    }
    return places.size === 0 ? [] : complete({ filed, chains }, places)
  }
}

/** From segments to phrases. */
function complete({ filed, chains }: Pick<Compiled, 'filed' | 'chains'>, places: Places): number[] {
  const found: number[] = []
  for (const id of places.keys()) {
    const segment = filed[id]
    if (segment === undefined) continue
    found.push(...segment.whole)
    for (const number of segment.wakes) {
      const chain = chains[number]
      if (chain === null || chain === undefined) continue
      const where = chain.ids.map((part) => places.get(part) ?? [])
      if (where.every((list) => list.length > 0) && chained(chain.texts, where)) found.push(number)
    }
  }
  return found.sort((a, b) => a - b)
}

/**
 * matcher - one index over all phrases, which finds every one that stands in a text
 *
 * Each segment is filed under one of its runs of four characters, the one that is rarest among all segments (under two characters where the segment
 * is shorter, as Chinese words are). A text is walked once; at each place one table look-up says whether a segment can stand
 * there. All occurrences of all segments are found, overlapping ones too; then phrases with gaps check that their segments follow each other
 * within the gap. Work is bounded by the length of the text times a small constant, whatever the text is.
 *
 * Pure: an index never changes. See also: classify/phrase (the grammar of phrases), classify/table (who builds it).
 */
import { isWordCode, MAX_GAP, type Phrase, type Segment } from './phrase.ts'

/** Finds the numbers (positions in the list that the index was made of) of all phrases that hold in a normalised text, ascending. */
export type PhraseIndex = { readonly size: number; readonly find: (normal: string) => readonly number[] }

/** 20 bits tell nearly all runs of four letters apart, and the places that real texts touch stay in the cache. */
const BITS_FOUR = 20
const BITS_TWO = 16

/** A segment with what it completes. `at`: where in the segment its filed run ends. */
type Filed = {
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

type Grams = { readonly length: 4 | 2; readonly heads: Uint16Array; readonly buckets: number[][] }

/** The rolling hash: four characters of five bits' shift, or two of eight, fill the bits, so older ones fall out. */
const roll4 = (hash: number, code: number): number => ((hash << 5) ^ code) & ((1 << BITS_FOUR) - 1)
const roll2 = (hash: number, code: number): number => ((hash << 8) ^ code) & ((1 << BITS_TWO) - 1)

function emptyGrams(length: 4 | 2): Grams {
  return { length, heads: new Uint16Array(1 << (length === 4 ? BITS_FOUR : BITS_TWO)), buckets: [[]] }
}

function hashAt(text: string, end: number, length: 4 | 2): number {
  const roll = length === 4 ? roll4 : roll2
  let hash = 0
  for (let at = end - length + 1; at <= end; at++) hash = roll(hash, text.charCodeAt(at))
  return hash
}

/** How often each run stands in all segments: a measure of how often it stands in texts. */
function countRuns(texts: Iterable<string>, length: 4 | 2): ReadonlyMap<number, number> {
  const counts = new Map<number, number>()
  for (const text of texts) {
    for (let end = length - 1; end < text.length; end++) {
      const hash = hashAt(text, end, length)
      counts.set(hash, (counts.get(hash) ?? 0) + 1)
    }
  }
  return counts
}

/** Files a segment under its rarest run and says where that run ends. */
function file(grams: Grams, counts: ReadonlyMap<number, number>, { text, id }: { readonly text: string; readonly id: number }): number {
  let best = { end: grams.length - 1, load: Infinity }
  for (let end = grams.length - 1; end < text.length; end++) {
    const load = counts.get(hashAt(text, end, grams.length)) ?? 0
    if (load < best.load) best = { end, load }
  }
  const hash = hashAt(text, best.end, grams.length)
  const head = grams.heads[hash] ?? 0
  if (head === 0) grams.heads[hash] = grams.buckets.push([id]) - 1
  else grams.buckets[head]?.push(id)
  return best.end
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

/** Makes the index. The same phrases in another order find the same phrases. */
export function indexPhrases(phrases: readonly Phrase[]): PhraseIndex {
  const four = emptyGrams(4)
  const two = emptyGrams(2)
  const filed: Filed[] = []
  const byKey = new Map<string, number>()
  const counts = countRuns(new Set(phrases.flatMap((phrase) => phrase.segments.map((segment) => segment.text))), 4)
  const idOf = (segment: Segment): number => {
    const key = keyOf(segment)
    const known = byKey.get(key)
    if (known !== undefined) return known
    const id = filed.length
    const at = file(segment.text.length >= four.length ? four : two, counts, { text: segment.text, id })
    filed.push({ ...segment, at, whole: [], wakes: [], placed: false })
    byKey.set(key, id)
    return id
  }
  const parts = phrases.map((phrase, number) => {
    const ids = phrase.segments.map(idOf)
    if (ids.length === 1) filed[ids[0] ?? -1]?.whole.push(number)
    else filed[ids[longest(phrase.segments)] ?? -1]?.wakes.push(number)
    return ids
  })
  for (const ids of parts) {
    for (const id of ids) {
      const segment = filed[id]
      if (segment !== undefined && ids.length > 1) segment.placed = true
    }
  }
  const chains = parts.map((ids) => (ids.length > 1 ? { ids, texts: ids.map((id) => filed[id]?.text ?? '') } : null))
  return { size: phrases.length, find: finder({ four, two, filed, chains }) }
}

type Compiled = {
  readonly four: Grams
  readonly two: Grams
  readonly filed: readonly Filed[]
  readonly chains: readonly ({ readonly ids: readonly number[]; readonly texts: readonly string[] } | null)[]
}

/** Whether a filed segment stands in the text with its run ending at `end`: the start of it, or -1. */
function standsAt(segment: Filed, text: string, end: number): number {
  const start = end - segment.at
  if (start < 0) return -1
  if (segment.edgeBefore && start > 0 && isWordCode(text.charCodeAt(start - 1))) return -1
  if (!text.startsWith(segment.text, start)) return -1
  const after = start + segment.text.length
  if (segment.edgeAfter && after < text.length && isWordCode(text.charCodeAt(after))) return -1
  return start
}

function finder({ four, two, filed, chains }: Compiled): PhraseIndex['find'] {
  return (text) => {
    const places = new Map<number, number[]>()
    const note = (bucket: readonly number[] | undefined, end: number): void => {
      for (const id of bucket ?? []) {
        const segment = filed[id]
        if (segment === undefined) continue
        const seen = places.get(id)
        if (seen !== undefined && !segment.placed) continue
        const start = standsAt(segment, text, end)
        if (start < 0) continue
        if (seen === undefined) places.set(id, [start])
        else seen.push(start)
      }
    }
    let hash4 = 0
    let hash2 = 0
    for (let end = 0; end < text.length; end++) {
      const code = text.charCodeAt(end)
      hash4 = roll4(hash4, code)
      hash2 = roll2(hash2, code)
      const head4 = four.heads[hash4] ?? 0
      if (head4 !== 0) note(four.buckets[head4], end)
      const head2 = two.heads[hash2] ?? 0
      if (head2 !== 0) note(two.buckets[head2], end)
    }
    return places.size === 0 ? [] : complete({ filed, chains }, places)
  }
}

/** From segments to phrases. */
function complete({ filed, chains }: Pick<Compiled, 'filed' | 'chains'>, places: ReadonlyMap<number, readonly number[]>): number[] {
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

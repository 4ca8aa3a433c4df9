/**
 * word-index - index of text segments by a word of each
 *
 * A segment is looked up where its rarest part ends in a text. Such a part is, in order of preference: two neighbouring words, one word, the
 * beginning of a word, two characters. A word is a run of ASCII letters and digits. A word of a segment is a whole word of every text in which
 * the segment occurs if other characters or a word boundary enclose it, so most segments are looked up once for each word of a text, and only
 * the few others (scripts without spaces, `*spam*`) at each character.
 *
 * Pure. See also: classify/phrase-index (scans the text).
 */
import type { Segment } from './phrase.ts'

/** Segments by the slot of their key: `listBySlot` has the position in `lists`, 0 for none. Keys that share a slot share a list. */
type SegmentSlots<T> = { readonly listBySlot: Uint16Array; readonly lists: T[][] }

/** `words`: by words and beginnings of words. `pairs`: by two characters. */
export type WordIndex<T> = { readonly words: SegmentSlots<T>; readonly pairs: SegmentSlots<T> }

/** 16 bits are few enough for the CPU cache, and enough that a few thousand segments rarely collide. */
const SLOT_BITS = 16
/** Knuth's multiplicative constant, which spreads neighbouring keys. */
const HASH_MULTIPLIER = 0x9e3779b1

export const slotOf = (key: number): number => Math.imul(key, HASH_MULTIPLIER) >>> (32 - SLOT_BITS)

/** By ASCII code, whether the character is a letter or a digit. */
export const WORD_CODES: readonly boolean[] = Array.from({ length: 128 }, (_, code) => /[0-9A-Za-z]/.test(String.fromCharCode(code)))

/** The key of a word, one character after the other; that of no characters is 0. */
export const extendWord = (hash: number, code: number): number => (Math.imul(hash, 31) + code) | 0

/** The lengths of the beginnings of words that are looked up. */
export const SHORT_BEGINNING = 2
export const LONG_BEGINNING = 4

export const keyOfBeginning = (hash: number, length: number): number => (Math.imul(hash, 5) + length) | 0
export const keyOfWords = (previous: number, hash: number): number => (Math.imul(previous, 0x01000193) + hash) | 0
export const keyOfPair = (first: number, second: number): number => (first << 16) ^ second

/** A part of a segment under which it can be looked up. `end`: the offset of its last character. */
type Anchor = { readonly kind: 'words' | 'pairs'; readonly key: number; readonly end: number }

type Run = { readonly from: number; readonly to: number; readonly hash: number }

function runsOf(text: string): readonly Run[] {
  return [...text.matchAll(/[0-9A-Za-z]+/g)].map(({ index, 0: run }) => ({
    from: index,
    to: index + run.length,
    hash: hashOf(run),
  }))
}

function hashOf(run: string): number {
  let hash = 0
  for (let at = 0; at < run.length; at++) hash = extendWord(hash, run.charCodeAt(at))
  return hash
}

/** The anchors of a segment by kind, the best kind first. A segment has two characters at least, so there are pairs. */
function anchorsOf({ text, requiresBoundaryBefore, requiresBoundaryAfter }: Segment): readonly (readonly Anchor[])[] {
  const runs = runsOf(text)
  const beginsWord = ({ from }: Run): boolean => from > 0 || requiresBoundaryBefore
  const isWord = (run: Run): boolean => beginsWord(run) && (run.to < text.length || requiresBoundaryAfter)
  const neighbours = runs.flatMap((run, at): Anchor[] => {
    const before = runs[at - 1]
    if (before === undefined || !isWord(before) || !isWord(run)) return []
    return [{ kind: 'words', key: keyOfWords(before.hash, run.hash), end: run.to - 1 }]
  })
  const words = runs.filter(isWord).map(({ hash, to }): Anchor => ({ kind: 'words', key: hash, end: to - 1 }))
  const beginnings = runs.filter(beginsWord).flatMap(({ from, to }): Anchor[] => {
    const length = to - from >= LONG_BEGINNING ? LONG_BEGINNING : SHORT_BEGINNING
    const key = keyOfBeginning(hashOf(text.slice(from, from + length)), length)
    return to - from < SHORT_BEGINNING ? [] : [{ kind: 'words', key, end: from + length - 1 }]
  })
  const pairs = Array.from({ length: text.length - 1 }, (_, at): Anchor => {
    return { kind: 'pairs', key: keyOfPair(text.charCodeAt(at), text.charCodeAt(at + 1)), end: at + 1 }
  })
  return [neighbours, words, beginnings, pairs].filter((anchors) => anchors.length > 0)
}

const createSlots = <T>(): SegmentSlots<T> => ({ listBySlot: new Uint16Array(1 << SLOT_BITS), lists: [[]] })

/**
 * Indexes each segment under its rarest anchor: the one of the best kind that the fewest segments have, as an estimate of how often it occurs in texts.
 * `entryOf` makes what is found, from a segment, its key and the offset at which its anchor ends.
 */
export function createWordIndex<S extends Segment, T>(
  segments: readonly S[],
  entryOf: (segment: S, anchor: { readonly key: number; readonly end: number }) => T,
): WordIndex<T> {
  const counts = { words: new Uint16Array(1 << SLOT_BITS), pairs: new Uint16Array(1 << SLOT_BITS) }
  const frequencyOf = ({ kind, key }: Anchor): number => counts[kind][slotOf(key)] ?? 0
  const anchors = segments.map(anchorsOf)
  for (const kinds of anchors) for (const anchor of kinds.flat()) counts[anchor.kind][slotOf(anchor.key)] = frequencyOf(anchor) + 1
  const index: WordIndex<T> = { words: createSlots(), pairs: createSlots() }
  for (const [at, segment] of segments.entries()) {
    const [first, ...others] = anchors[at]?.[0] ?? []
    if (first === undefined) continue
    const rarest = others.reduce((best, anchor) => (frequencyOf(anchor) < frequencyOf(best) ? anchor : best), first)
    addTo(index[rarest.kind], slotOf(rarest.key), entryOf(segment, rarest))
  }
  return index
}

function addTo<T>({ listBySlot, lists }: SegmentSlots<T>, slot: number, entry: T): void {
  const list = listBySlot[slot] ?? 0
  if (list === 0) listBySlot[slot] = lists.push([entry]) - 1
  else lists[list]?.push(entry)
}

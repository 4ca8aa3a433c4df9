/**
 * gram-index - index of text segments by one n-gram of each
 *
 * Each segment is indexed under one of its n-grams: 8 characters, 4 if the segment is shorter, 2 if it is shorter still (Chinese words,
 * `ip`). Of a segment's n-grams the one that is rarest among all segments is chosen. While a text is scanned, one rolling hash for each
 * length tells which segments may end at the current position; almost all of these candidates match.
 *
 * Pure. See also: classify/phrase-index (scans the text).
 */

/**
 * The index of one n-gram length. `hashShift` is chosen so that characters older than `gramLength` leave the rolling hash. The hash has
 * `hashBits` bits: 18 (16 for 2-grams) are few enough for the CPU cache and enough that a thousand segments rarely collide.
 */
export type GramIndex = {
  readonly gramLength: number
  readonly hashShift: number
  readonly hashBits: number
  readonly bucketByHash: Uint16Array
  readonly buckets: number[][]
}

export const createGramIndex = (gramLength: number, hashShift: number, hashBits: number): GramIndex => ({
  gramLength,
  hashShift,
  hashBits,
  bucketByHash: new Uint16Array(1 << hashBits),
  buckets: [[]],
})

/** Knuth's multiplicative constant, which spreads neighbouring hashes. */
const HASH_MULTIPLIER = 0x9e3779b1

export const slotOf = (hash: number, bits: number): number => Math.imul(hash, HASH_MULTIPLIER) >>> (32 - bits)

function hashGramAt(text: string, end: number, { gramLength, hashShift, hashBits }: GramIndex): number {
  let hash = 0
  for (let at = end - gramLength + 1; at <= end; at++) hash = (hash << hashShift) ^ text.charCodeAt(at)
  return slotOf(hash, hashBits)
}

/** How often each n-gram occurs in all segments, as an estimate of how often it occurs in texts. */
export function countGrams(texts: Iterable<string>, grams: GramIndex): ReadonlyMap<number, number> {
  const counts = new Map<number, number>()
  for (const text of texts) {
    for (let end = grams.gramLength - 1; end < text.length; end++) {
      const hash = hashGramAt(text, end, grams)
      counts.set(hash, (counts.get(hash) ?? 0) + 1)
    }
  }
  return counts
}

/** Indexes a segment under its rarest n-gram and returns where that n-gram ends in the segment. */
export function addToRarestGram(
  grams: GramIndex,
  counts: ReadonlyMap<number, number>,
  { text, id }: { readonly text: string; readonly id: number },
): number {
  let best = { end: grams.gramLength - 1, frequency: Infinity }
  for (let end = grams.gramLength - 1; end < text.length; end++) {
    const frequency = counts.get(hashGramAt(text, end, grams)) ?? 0
    if (frequency < best.frequency) best = { end, frequency }
  }
  const hash = hashGramAt(text, best.end, grams)
  const bucket = grams.bucketByHash[hash] ?? 0
  if (bucket === 0) grams.bucketByHash[hash] = grams.buckets.push([id]) - 1
  else grams.buckets[bucket]?.push(id)
  return best.end
}

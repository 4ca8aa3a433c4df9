/**
 * gram-index - segments filed under a run of their characters
 *
 * A segment is filed under one of its runs of eight characters, of four where it is shorter, of two where it is shorter still (Chinese words,
 * `ip`), and of those under the run that is rarest among all segments. While a text is walked, one rolling hash a width says which
 * segments may end here; nearly all that it names do.
 *
 * Pure. See also: classify/phrase-index (who walks).
 */

/**
 * One way to file: by runs of `length` characters. A rolling hash of so many bits a character that older ones fall out, spread over 2^18 places
 * (2^16 for two): few enough for the cache, and enough that a thousand segments rarely share one.
 */
export type GramIndex = {
  readonly gramLength: number
  readonly hashShift: number
  readonly hashBits: number
  readonly bucketByHash: Uint16Array
  readonly buckets: number[][]
}

export const createGramIndex = (length: number, shift: number, bits: number): GramIndex => ({
  gramLength: length,
  hashShift: shift,
  hashBits: bits,
  bucketByHash: new Uint16Array(1 << bits),
  buckets: [[]],
})

/** Knuth's multiplicative constant: neighbouring hashes land far apart. */
const HASH_MULTIPLIER = 0x9e3779b1

export const slotOf = (hash: number, bits: number): number => Math.imul(hash, HASH_MULTIPLIER) >>> (32 - bits)

function hashGramAt(text: string, end: number, { gramLength: length, hashShift: shift, hashBits: bits }: GramIndex): number {
  let hash = 0
  for (let at = end - length + 1; at <= end; at++) hash = (hash << shift) ^ text.charCodeAt(at)
  return slotOf(hash, bits)
}

/** How often each run stands in all segments: a measure of how often it stands in texts. */
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

/** Files a segment under its rarest run and says where that run ends. */
export function addToRarestGram(
  grams: GramIndex,
  counts: ReadonlyMap<number, number>,
  { text, id }: { readonly text: string; readonly id: number },
): number {
  let best = { end: grams.gramLength - 1, load: Infinity }
  for (let end = grams.gramLength - 1; end < text.length; end++) {
    const frequency = counts.get(hashGramAt(text, end, grams)) ?? 0
    if (frequency < best.load) best = { end, load: frequency }
  }
  const hash = hashGramAt(text, best.end, grams)
  const bucket = grams.bucketByHash[hash] ?? 0
  if (bucket === 0) grams.bucketByHash[hash] = grams.buckets.push([id]) - 1
  else grams.buckets[bucket]?.push(id)
  return best.end
}

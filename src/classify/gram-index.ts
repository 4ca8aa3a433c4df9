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
export type Grams = {
  readonly length: number
  readonly shift: number
  readonly bits: number
  readonly heads: Uint16Array
  readonly buckets: number[][]
}

export const emptyGrams = (length: number, shift: number, bits: number): Grams => ({
  length,
  shift,
  bits,
  heads: new Uint16Array(1 << bits),
  buckets: [[]],
})

/** Knuth's multiplicative constant: neighbouring hashes land far apart. */
const SPREAD = 0x9e3779b1

export const placeOf = (hash: number, bits: number): number => Math.imul(hash, SPREAD) >>> (32 - bits)

function hashAt(text: string, end: number, { length, shift, bits }: Grams): number {
  let hash = 0
  for (let at = end - length + 1; at <= end; at++) hash = (hash << shift) ^ text.charCodeAt(at)
  return placeOf(hash, bits)
}

/** How often each run stands in all segments: a measure of how often it stands in texts. */
export function countRuns(texts: Iterable<string>, grams: Grams): ReadonlyMap<number, number> {
  const counts = new Map<number, number>()
  for (const text of texts) {
    for (let end = grams.length - 1; end < text.length; end++) {
      const hash = hashAt(text, end, grams)
      counts.set(hash, (counts.get(hash) ?? 0) + 1)
    }
  }
  return counts
}

/** Files a segment under its rarest run and says where that run ends. */
export function fileUnder(
  grams: Grams,
  counts: ReadonlyMap<number, number>,
  { text, id }: { readonly text: string; readonly id: number },
): number {
  let best = { end: grams.length - 1, load: Infinity }
  for (let end = grams.length - 1; end < text.length; end++) {
    const load = counts.get(hashAt(text, end, grams)) ?? 0
    if (load < best.load) best = { end, load }
  }
  const hash = hashAt(text, best.end, grams)
  const head = grams.heads[hash] ?? 0
  if (head === 0) grams.heads[hash] = grams.buckets.push([id]) - 1
  else grams.buckets[head]?.push(id)
  return best.end
}

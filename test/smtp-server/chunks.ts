/**
 * chunks - generators of hostile bytes and of ways to split them, for property tests
 */
import fc from 'fast-check'

export { fc }

/** Text made of line endings, dots and commands. */
export const HOSTILE = fc
  .array(fc.constantFrom('\r', '\n', '.', '\0', '\r\n', '\r\n.', '\r\n.\r\n', '\n.\n', 'a', ' ', '\x8d', 'DATA', 'QUIT'), { maxLength: 40 })
  .map((parts) => parts.join(''))

/** Positions to split at, as numbers that `split` reduces to the length. */
export const anySplit = fc.array(fc.nat(1_000), { maxLength: 30 })

/** Splits bytes at the given positions. */
export function split(raw: Buffer, points: readonly number[]): readonly Buffer[] {
  const sorted = points.map((point) => point % (raw.length + 1)).toSorted((a, b) => a - b)
  return [...sorted, raw.length].map((end, n) => raw.subarray(sorted[n - 1] ?? 0, end))
}

/** Checks a property over a thousand samples. */
export function holds<Values extends readonly [unknown, ...unknown[]]>(
  arbitraries: { readonly [N in keyof Values]: fc.Arbitrary<Values[N]> },
  property: (...values: Values) => void,
): void {
  const samples = fc.property(fc.tuple<unknown[]>(...arbitraries), (values) => {
    // Checked cast: fc.tuple gives one value of each arbitrary, in order.
    property(...(values as unknown as Values))
  })
  fc.assert(samples, { numRuns: 1_000 })
}

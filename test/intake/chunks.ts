/**
 * chunks - hostile bytes, and every way to cut them, for property tests
 */
import fc from 'fast-check'
import { test as vitest } from 'vitest'

export { fc }

/** Text of the bytes that line ends, dots and commands are made of. */
export const HOSTILE = fc
  .array(fc.constantFrom('\r', '\n', '.', '\0', '\r\n', '\r\n.', '\r\n.\r\n', '\n.\n', 'a', ' ', '\x8d', 'DATA', 'QUIT'), { maxLength: 40 })
  .map((parts) => parts.join(''))

/** Where to cut, as numbers that `cut` folds into the length. */
export const anyCut = fc.array(fc.nat(1_000), { maxLength: 30 })

/** The same bytes in pieces. */
export function cut(raw: Buffer, points: readonly number[]): readonly Buffer[] {
  const sorted = points.map((point) => point % (raw.length + 1)).toSorted((a, b) => a - b)
  return [...sorted, raw.length].map((end, n) => raw.subarray(sorted[n - 1] ?? 0, end))
}

/** A property as a test. */
export function test<Values extends readonly [unknown, ...unknown[]]>(
  name: string,
  arbitraries: { readonly [N in keyof Values]: fc.Arbitrary<Values[N]> },
  holds: (...values: Values) => void,
): void {
  vitest(name, () => {
    fc.assert(
      fc.property(fc.tuple<unknown[]>(...arbitraries), (values) => {
        // The tuple holds one value of each arbitrary, in order.
        holds(...(values as unknown as Values))
      }),
      { numRuns: 1_000 },
    )
  })
}

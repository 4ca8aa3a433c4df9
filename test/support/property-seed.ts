/**
 * property-seed - starts every property test from one fixed seed, so that a run of the tests on the same code always gives the same result
 *
 * `BOUNCED_TEST_SEED=random` searches with new seeds, and a number repeats one search. A counterexample that a search finds becomes a test of its own.
 * See also: vitest.config, CONTRIBUTING.md.
 */
import fc from 'fast-check'

const FIXED_SEED = 20_261_129
const asked = process.env['BOUNCED_TEST_SEED'] ?? String(FIXED_SEED)

if (asked !== 'random') {
  const seed = Number(asked)
  if (!Number.isSafeInteger(seed)) throw new TypeError(`BOUNCED_TEST_SEED is ${JSON.stringify(asked)}; it takes a whole number or "random"`)
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed })
}

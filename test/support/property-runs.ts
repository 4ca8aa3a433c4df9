/**
 * property-runs - how many cases a property test tries: few in `npm test`, many in `npm run test:slow`
 *
 * The slow project of vitest.config sets BOUNCED_TEST_LONG for the files that it runs again.
 */

/** Returns `short`, or `long` in the slow project. */
export const propertyRuns = (short: number, long: number): number => (process.env['BOUNCED_TEST_LONG'] === '1' ? long : short)

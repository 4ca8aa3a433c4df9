/**
 * vitest.config - two projects: `fast` runs test files side by side, `slow` runs kills, soaks, loads and long property runs one file at a time
 *
 * Timeouts are far longer than a test needs, because they end a test that hangs and must not fail one on a busy machine.
 * See also: test/run, CONTRIBUTING.md.
 */
import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

const globalSetup = ['test/support/postgres.ts', 'test/support/scratch.ts']

/** Property tests of the fast project that the slow project runs again with more cases (test/support/property-runs). */
const LONG_PROPERTIES = ['test/queue/invariants.test.ts', 'test/service/deliver/delivery-loop.test.ts']

export default defineConfig({
  test: {
    // One worker more than there are processors: many tests wait for a child process, a database or a socket.
    maxWorkers: availableParallelism() + 1,
    projects: [
      {
        test: {
          name: 'fast',
          pool: 'forks',
          include: ['test/**/*.test.ts'],
          exclude: ['test/slow/**'],
          globalSetup,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 60_000 } },
        },
      },
      {
        test: {
          name: 'slow',
          pool: 'forks',
          fileParallelism: false,
          include: ['test/slow/**/*.test.ts', ...LONG_PROPERTIES],
          env: { BOUNCED_TEST_LONG: '1' },
          globalSetup,
          testTimeout: 900_000,
          hookTimeout: 300_000,
          expect: { poll: { timeout: 120_000 } },
        },
      },
    ],
  },
})

/**
 * vitest.config - seven projects: `law` checks the source itself, `pure` the rooms without I/O, `fast` everything else in parallel, and `slow`
 * runs kills, soaks, loads and long property runs one file at a time; `faults` runs every fault of test/faults, and `soak` a load of ten minutes
; `pages` needs a browser
 *
 * Timeouts are far longer than a test needs, because they end a test that hangs and must not fail one on a busy machine.
 * See also: test/run, CONTRIBUTING.md.
 */
import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

const LAW = ['test/floors.test.ts', 'test/law.test.ts', 'test/words.test.ts']
const PURE = ['test/{mail,classify,correlate,esp-events,compose,tracking,ledger,queue,rules}/**/*.test.ts', 'test/simulator/*.test.ts']
const SLOW = ['test/slow/**/*.test.ts']

const SOAK = ['test/faults/soak.test.ts']

/** Property tests that the slow project runs again with more cases (test/support/property-runs). */
const LONG_PROPERTIES = [
  'test/compose/originator.test.ts',
  'test/queue/fairness.test.ts',
  'test/queue/invariants.test.ts',
  'test/service/deliver/delivery-loop.test.ts',
  'test/store/mail/mail-bodies.test.ts',
  'test/tracking/mail-edits.test.ts',
]

/** Pages of the console and for recipients in a real browser. `npm test` runs the smoke test alone, the slow lane all. */
const PAGES = ['test/console/**/*.test.ts', 'test/pages/**/*.test.ts']

const scratch = 'test/support/scratch.ts'
const postgres = 'test/support/postgres.ts'
const browser = 'test/support/browser.ts'
const setupFiles = 'test/support/property-seed.ts'

const PATIENT = { testTimeout: 120_000, hookTimeout: 120_000, expect: { poll: { timeout: 60_000 } } }
/** The tests of pure rooms share no state, so that one process runs many files. */
const SHARED_PROCESS = { pool: 'forks', isolate: false, globalSetup: scratch, setupFiles, ...PATIENT } as const

export default defineConfig({
  test: {
    // One worker more than there are processors: many tests wait for a child process, a database or a socket.
    maxWorkers: availableParallelism() + 1,
    projects: [
      { test: { name: 'law', include: LAW, ...SHARED_PROCESS } },
      { test: { name: 'pure', include: PURE, ...SHARED_PROCESS } },
      {
        test: {
          name: 'fast',
          pool: 'forks',
          include: ['test/**/*.test.ts'],
          exclude: [...LAW, ...PURE, ...SLOW, ...SOAK, ...PAGES, 'test/faults/server-faults.test.ts'],
          globalSetup: [postgres, scratch],
          setupFiles,
          ...PATIENT,
        },
      },
      { test: { name: 'pages', pool: 'forks', include: PAGES, globalSetup: [scratch, browser], setupFiles, ...PATIENT } },
      {
        test: {
          name: 'faults',
          pool: 'forks',
          include: ['test/faults/**/*.test.ts'],
          exclude: SOAK,
          // They wait more than they work.
          maxWorkers: 2,
          env: { BOUNCED_TEST_FAULTS: 'all' },
          globalSetup: scratch,
          setupFiles,
          testTimeout: 600_000,
          hookTimeout: 300_000,
          expect: { poll: { timeout: 120_000 } },
        },
      },
      { test: { name: 'soak', pool: 'forks', include: SOAK, globalSetup: scratch, testTimeout: 3_600_000 } },
      {
        test: {
          name: 'slow',
          pool: 'forks',
          fileParallelism: false,
          include: [...SLOW, ...LONG_PROPERTIES],
          env: { BOUNCED_TEST_LONG: '1' },
          globalSetup: [postgres, scratch],
          setupFiles,
          testTimeout: 900_000,
          hookTimeout: 300_000,
          expect: { poll: { timeout: 120_000 } },
        },
      },
    ],
  },
})

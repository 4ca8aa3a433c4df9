/**
 * vitest.config - two projects: `fast` runs files side by side, `serial` holds what kills, soaks or loads, one file at a time
 */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'fast', pool: 'forks', include: ['test/**/*.test.ts'], exclude: ['test/serial/**'], globalSetup: ['test/support/postgres.ts', 'test/support/scratch.ts'], testTimeout: 30_000 } },
      {
        test: {
          name: 'serial',
          pool: 'forks',
          fileParallelism: false,
          include: ['test/serial/**/*.test.ts'],
          globalSetup: ['test/support/postgres.ts', 'test/support/scratch.ts'],
          testTimeout: 300_000,
        },
      },
    ],
  },
})

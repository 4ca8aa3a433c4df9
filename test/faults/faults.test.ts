/**
 * faults.test - three nodes on one PostgreSQL, clients that never give up, and one fault of a node after the other: nothing that was acknowledged is lost
 *
 * The short form runs with the other tests, and has faults of the server too. `npm run faults` runs every row, those of the server in
 * server-faults.test beside these, and prints the table of docs/RELIABILITY.md. `BOUNCED_TEST_ROUNDS`: how often each fault is caused.
 */
import { describe } from 'vitest'
import { defineFaultTests } from './fault-run.ts'
import { FAULTS } from './fault-table.ts'

const isWhole = process.env['BOUNCED_TEST_FAULTS'] === 'all'

describe('three nodes on PostgreSQL', () => {
  defineFaultTests(
    FAULTS.filter(({ part, isShort }) => (isWhole ? part === 'nodes' : isShort === true)),
    Number(process.env['BOUNCED_TEST_ROUNDS'] ?? (isWhole ? 3 : 1)),
  )
})

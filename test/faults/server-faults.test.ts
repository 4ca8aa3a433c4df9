/** server-faults.test - the faults of the PostgreSQL server, or of all nodes at once: a part of `npm run faults`, beside faults.test */
import { describe } from 'vitest'
import { defineFaultTests } from './fault-run.ts'
import { FAULTS } from './fault-table.ts'

describe('three nodes on a PostgreSQL that fails', () => {
  defineFaultTests(
    FAULTS.filter(({ part }) => part === 'server'),
    Number(process.env['BOUNCED_TEST_ROUNDS'] ?? 3),
  )
})

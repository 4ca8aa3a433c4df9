/**
 * crasher - a process that writes transaction after transaction, says which are committed, and waits to be killed
 *
 * See also: rebuild.test.
 */
import { openEngine } from '../../../src/store/engine/open-engine.ts'
import { migrate } from '../../../src/store/engine/migrate.ts'
import { saveLedgerState } from '../../../src/store/facts/ledger-state.ts'
import { openFact, sampleDelivery, ledgerStateOf } from '../sample.ts'

const engine = await openEngine(process.argv[2] ?? '')
await migrate(engine, 0)
for (let i = 0; i < 100_000; i++) {
  const numbers = Array.from({ length: 20 }, (_, j) => i * 20 + j)
  const world = ledgerStateOf({ deliveries: numbers.map((n) => sampleDelivery({ n })), facts: numbers.map((n) => openFact(n)) })
  await engine.tx(async (db) => saveLedgerState(db, world))
  process.send?.(i)
}

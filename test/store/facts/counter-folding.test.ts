/** counter-folding.test - transactions that add to the same counter never wait for each other, and folding changes no sum */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createCounterSlots } from '../../../src/store/engine/counter-slots.ts'
import type { Database, Engine } from '../../../src/store/engine/engine.ts'
import { openEngine } from '../../../src/store/engine/open-engine.ts'
import { foldCountersForOperator } from '../../../src/store/facts/counter-folding.ts'
import { sumCounters } from '../../../src/store/facts/counters.ts'
import { COUNTERS, type StoredCounter } from '../../../src/store/schema.ts'
import { engines } from '../../support/engines.ts'
import { propertyRuns } from '../../support/property-runs.ts'

const HOUR = 3_600_000
const rowAt = (quarter: number, slot: number, n: number): StoredCounter => ({
  account: 1,
  quarter,
  apiUser: 'u',
  labelId: 0,
  domain: 'example.com',
  metric: 'request',
  slot,
  n,
})
const add = (db: Database, quarter: number, n: number): Promise<void> =>
  db.upsertMany(COUNTERS, [rowAt(quarter, db.counterSlot, n)], { addColumns: ['n'] })
const sumOf = async (engine: Engine, to = 100 * HOUR): Promise<number> =>
  (await sumCounters(engine.read, 1, { windows: [{ from: 0, to }] }))[0]?.n ?? 0

/** Starts `work` in a transaction, and waits before the commit until `release` is called. */
function holdOpen(
  engine: Engine,
  work: (db: Database) => Promise<void>,
): { ready: Promise<void>; release: () => void; runs: () => number; done: Promise<void> } {
  let runs = 0
  const ready = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const done = engine.tx(async (db) => {
    runs += 1
    await work(db)
    ready.resolve()
    await gate.promise
  })
  return { ready: ready.promise, release: () => gate.resolve(), runs: () => runs, done }
}

test.each(engines.filter(({ kind }) => kind === 'postgres'))(
  'four open transactions on two nodes add to one counter, and each runs once',
  async ({ open }) => {
    const { engine, url } = await open()
    const other = await openEngine(url)
    const held = [engine, engine, other, other].map((each) => holdOpen(each, (db) => add(db, HOUR, 1)))
    await Promise.all(held.map(({ ready }) => ready))
    for (const { release } of held) release()
    await Promise.all(held.map(({ done }) => done))
    expect(held.map(({ runs }) => runs())).toEqual([1, 1, 1, 1])
    expect(await sumOf(engine)).toBe(4)
    for (let n = 0; n < 20; n++) await engine.tx((db) => add(db, HOUR, 1))
    // Slots are used again: twenty transactions one after the other need no twenty rows.
    expect(Number((await engine.read.one('select count(*) as n from counters'))?.['n'])).toBe(4)
    await other.close()
  },
)

test.each(engines)('folding changes no sum and leaves young quarter-hours alone: $kind', async ({ open }) => {
  const { engine } = await open()
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.record({ hour: fc.integer({ min: 1, max: 9 }), slot: fc.integer({ min: 0, max: 5 }), n: fc.integer({ min: -3, max: 9 }) }),
          fc.constant('fold' as const),
        ),
        { maxLength: 25 },
      ),
      async (steps) => {
        await engine.tx((db) => db.run('delete from counters'))
        let want = 0
        for (const step of steps) {
          if (step === 'fold') {
            await engine.tx((db) => foldCountersForOperator(db, 5 * HOUR, 3))
            continue
          }
          want += step.n
          await engine.tx((db) => db.upsertMany(COUNTERS, [rowAt(step.hour * HOUR, step.slot, step.n)], { addColumns: ['n'] }))
        }
        expect(await sumOf(engine)).toBe(want)
        const young = async () =>
          (await engine.read.all('select * from counters where quarter >= $1 order by quarter, slot', [5 * HOUR])).length
        const before = await young()
        while ((await engine.tx((db) => foldCountersForOperator(db, 5 * HOUR, 3))) > 0);
        expect(await sumOf(engine)).toBe(want)
        expect(await young()).toBe(before)
        const left = await engine.read.one('select count(*) as n from counters where slot <> 0 and quarter < $1', [5 * HOUR])
        expect(Number(left?.['n'])).toBe(0)
      },
    ),
    { numRuns: propertyRuns(15, 100) },
  )
})

test('slots of transactions that run at the same time differ, also between processes', () => {
  const [a, b] = [createCounterSlots(1), createCounterSlots(2)]
  const taken = [a.acquire(), a.acquire(), b.acquire(), b.acquire()]
  expect(new Set(taken).size).toBe(4)
  expect(taken).not.toContain(0)
  a.release(taken[0] ?? 0)
  expect(a.acquire()).toBe(taken[0])
})

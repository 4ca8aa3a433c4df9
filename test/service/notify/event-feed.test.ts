/**
 * event-feed.test - a follower gets each fact once, in whatever order facts are committed
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { appendFacts } from '../../../src/store/facts/facts.ts'
import type { Engine, KeyTuples } from '../../../src/store/engine/engine.ts'
import { findPublicNames } from '../../../src/store/facts/fact-feed.ts'
import { DELIVERIES } from '../../../src/store/mail/delivery-columns.ts'
import { FACTS } from '../../../src/store/schema.ts'
import { bytesToUuid } from '../../../src/store/engine/mapping.ts'
import { followFacts } from '../../../src/service/notify/event-feed.ts'
import { lowestIdAt, timeOfId } from '../../../src/service/fact-id-time.ts'
import { deliveryIdOf, openFact, sampleDelivery, T0 } from '../../store/sample.ts'
import { engines } from '../../support/engines.ts'

/** How long a fact may appear below ids that were read already. */
const REORDER_WINDOW_MS = 30_000

/** An id created at a moment. */
const idAt = (at: number, n = 0): string => `${lowestIdAt(at).slice(0, 13)}-7000-8000-${n.toString(16).padStart(12, '0')}`

const commit = (engine: Engine, ids: readonly string[], account = 1): Promise<unknown> =>
  engine.tx((db) =>
    appendFacts(
      db,
      ids.map((id, n) => openFact(n, { id, account, dedupKey: id })),
    ),
  )

test.each([T0, 0, 1])('timeOfId: %i', (at) => expect(timeOfId(idAt(at, 7))).toBe(at))
test('timeOfId of other text is 0', () => expect(timeOfId('zz')).toBe(0))

describe.each(engines)('feed: $kind', ({ open }) => {
  test('from now: no earlier facts, none of other accounts, each once and in order', async () => {
    const { engine } = await open()
    await commit(engine, [idAt(T0 - 1_000)])
    const follower = await followFacts({ reader: engine.read, now: () => T0 }, 1, 'now')
    expect(await follower.next(10)).toEqual([])
    await commit(engine, [idAt(T0, 2), idAt(T0, 1)])
    await commit(engine, [idAt(T0, 3)], 2)
    expect((await follower.next(10)).map(({ id }) => id)).toEqual([idAt(T0, 1), idAt(T0, 2)])
    expect(await follower.next(10)).toEqual([])
  })

  test('a fact that is committed below ids already returned is returned as well', async () => {
    const { engine } = await open()
    const follower = await followFacts({ reader: engine.read, now: () => T0 }, 1, 'now')
    await commit(engine, [idAt(T0, 9)])
    const seen = [...(await follower.next(10))]
    await commit(engine, [idAt(T0 - REORDER_WINDOW_MS + 1_000)])
    for (let looks = 0; looks < 5; looks++) seen.push(...(await follower.next(10)))
    expect(seen.map(({ id }) => id)).toEqual([idAt(T0, 9), idAt(T0 - REORDER_WINDOW_MS + 1_000)])
  })

  test('a follower that reconnects continues after its last id, and gets no old facts again', async () => {
    const { engine } = await open()
    const old = Array.from({ length: 25 }, (_, n) => idAt(T0 - 10 * REORDER_WINDOW_MS + n * 5_000, n))
    await commit(engine, old)
    const follower = await followFacts({ reader: engine.read, now: () => T0 }, 1, { after: old[9] ?? '' })
    const seen: string[] = []
    for (let looks = 0; looks < 12; looks++) seen.push(...(await follower.next(4)).map(({ id }) => id))
    // The follower reads the half minute before the id again: six facts, five seconds apart.
    expect(seen).toEqual([...old.slice(3, 9), ...old.slice(10)])
    expect(new Set(seen).size).toBe(seen.length)
  })

  test('from a moment', async () => {
    const { engine } = await open()
    await commit(engine, [idAt(T0 - 2), idAt(T0 - 1), idAt(T0)])
    const follower = await followFacts({ reader: engine.read, now: () => T0 }, 1, { since: T0 - 1 })
    expect((await follower.next(10)).map(({ id }) => id)).toEqual([idAt(T0 - 1), idAt(T0)])
  })

  test('the public ids of deliveries', async () => {
    const { engine } = await open()
    await engine.tx((db) => db.insertMany(DELIVERIES, [sampleDelivery({ n: 1 })]))
    expect(await findPublicNames(engine.read, 1, [deliveryIdOf(1), deliveryIdOf(2)])).toEqual(
      new Map([[deliveryIdOf(1), { emailId: 'm1x0$r1@example.com', recipient: 'r1@example.com' }]]),
    )
    expect(await findPublicNames(engine.read, 2, [deliveryIdOf(1)])).toEqual(new Map())
  })
})

const uuidOf = (bytes: unknown): string => (bytes instanceof Uint8Array ? bytesToUuid(bytes) : '')

/** A reader over the committed ids only. */
function ledgerOf() {
  const ids = new Set<string>()
  const reader = {
    kind: 'sqlite' as const,
    one: () => Promise.resolve(null),
    all: (_sql: string, [, above, limit]: readonly unknown[] = []) => {
      const from = above instanceof Uint8Array ? Buffer.from(above).toString('hex') : ''
      const found = [...ids].filter((id) => id.replaceAll('-', '') > from).toSorted()
      return Promise.resolve(found.slice(0, Number(limit)).map((id) => ({ id: Buffer.from(id.replaceAll('-', ''), 'hex') })))
    },
    inKeys: (sql: string, keys: KeyTuples) =>
      Promise.resolve(sql.includes('list_events') ? [] : keys.rows.map((row, n) => FACTS.encode(openFact(n, { id: uuidOf(row[1]) })))),
  }
  return { ids, reader }
}

test('property: in whatever order ids appear within the window, each is returned once', async () => {
  const step = fc.record({
    late: fc.nat(REORDER_WINDOW_MS - 5_000),
    wait: fc.nat(4_000),
    looks: fc.nat(3),
    limit: fc.integer({ min: 1, max: 4 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { ids, reader } = ledgerOf()
      let now = T0
      const follower = await followFacts({ reader, now: () => now }, 1, 'now')
      const given: string[] = []
      for (const [n, { late, wait, looks, limit }] of steps.entries()) {
        now += wait
        ids.add(idAt(now - late, n))
        for (let look = 0; look < looks; look++) given.push(...(await follower.next(limit)).map(({ id }) => id))
      }
      for (let look = 0; look < 200; look++) given.push(...(await follower.next(4)).map(({ id }) => id))
      expect(new Set(given).size).toBe(given.length)
      expect(given.toSorted()).toEqual([...ids].toSorted())
    }),
    { numRuns: 60 },
  )
})

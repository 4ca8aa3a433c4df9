/** delivery-ids.test - ids of an account are unique, count from 0 each day, and go on above those of the earlier release */
import { afterEach, describe, expect, test } from 'vitest'
import { dayCodeOf, dayNumberOf, parseDeliveryId, startOfDayNumber } from '../../../src/correlate/delivery-id.ts'
import { createDeliveryIdAllocator } from '../../../src/service/submit/delivery-ids.ts'
import type { Engine } from '../../../src/store/engine/engine.ts'
import { reserveSequenceNumbers, SEQUENCES } from '../../../src/store/engine/sequences.ts'
import { engines } from '../../support/engines.ts'

const DAY_MS = 86_400_000
const START = startOfDayNumber(2_520) + 12 * 3_600_000

describe.each(engines)('$kind', ({ open }) => {
  const opened: Engine[] = []
  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close()
  })
  const openOne = async (): Promise<Engine> => {
    const { engine } = await open()
    opened.push(engine)
    return engine
  }
  const sequenceOf = (id: string | undefined): number | null => parseDeliveryId(id ?? '')?.sequence ?? null
  const names = async (engine: Engine): Promise<readonly string[]> =>
    (await engine.read.all('select * from sequences where account_id = 1 order by name')).map((row) => SEQUENCES.decode(row).name)

  test('several allocators never return the same id, and each day counts from 0', async () => {
    const engine = await openOne()
    const [one, other] = [createDeliveryIdAllocator(engine), createDeliveryIdAllocator(engine)]
    const calls = [one, other, one, other].flatMap((allocate) => [1, 700, 1_500].map((count) => ({ allocate, count })))
    const made = await Promise.all(calls.map(({ allocate, count }) => allocate(1, count, START)))
    const ids = made.flat()
    expect([ids.length, new Set(ids).size]).toEqual([8_804, 8_804])
    expect(sequenceOf((await one(1, 1, START + DAY_MS))[0])).toBe(0)
    expect(sequenceOf((await one(2, 1, START + DAY_MS))[0])).toBe(0)
    // A clock that is set back goes on where the day was left.
    const [back = ''] = await one(1, 1, START)
    expect(new Set([...ids, back]).size).toBe(8_805)
  })

  test('after an upgrade the numbers go on above those of before, beside nodes that still take from the old sequence', async () => {
    const engine = await openOne()
    const takeOld = () => engine.tx((db) => reserveSequenceNumbers(db, 1, 'delivery', 1_000))
    await takeOld()
    const allocate = createDeliveryIdAllocator(engine)
    const first = sequenceOf((await allocate(1, 1, START))[0]) ?? 0
    expect(first).toBeGreaterThanOrEqual(1_000)
    for (let n = 0; n < 20; n += 1) await takeOld()
    expect(await takeOld()).toBeLessThan(first)
    expect(sequenceOf((await allocate(1, 1, START + DAY_MS))[0])).toBeGreaterThanOrEqual(22_000)
    // A week later nobody takes from the old sequence.
    await allocate(1, 1, START + 8 * DAY_MS)
    expect(sequenceOf((await allocate(1, 1, START + 9 * DAY_MS))[0])).toBe(0)
  })

  test('the sequences of days whose tokens have expired are removed', async () => {
    const engine = await openOne()
    const allocate = createDeliveryIdAllocator(engine)
    for (const days of [0, 1, 400, 500]) await allocate(1, 1, START + days * DAY_MS)
    expect(await names(engine)).toEqual([400, 500].map((days) => `delivery:${dayCodeOf(dayNumberOf(START) + days)}`))
  })

  test('a day has room for 34 billion mails of one account, and no more', async () => {
    const engine = await openOne()
    const name = `delivery:${dayCodeOf(dayNumberOf(START))}`
    await engine.tx((db) => db.insertMany(SEQUENCES, [{ account: 1, name, next: 2 ** 30 - 1 }]))
    const ids = await createDeliveryIdAllocator(engine)(1, 2, START)
    expect(ids.map((id) => id.slice(6))).toEqual(['2zzzzzz', '3222222'])
    await engine.tx((db) => db.run('update sequences set next = $1 where name = $2', [2 ** 35, name]))
    await expect(createDeliveryIdAllocator(engine)(1, 1, START)).rejects.toMatchObject({ code: 'internal' })
    expect((await createDeliveryIdAllocator(engine)(1, 1, START + DAY_MS)).length).toBe(1)
  })
})

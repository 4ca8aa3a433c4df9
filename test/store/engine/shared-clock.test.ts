/** shared-clock.test - nodes with wrong clocks share the clock of the store */
import { afterEach, describe, expect, test } from 'vitest'
import { startSharedClock } from '../../../src/store/engine/shared-clock.ts'
import { engines } from '../../support/engines.ts'

type SharedClock = Awaited<ReturnType<typeof startSharedClock>>

const HOUR = 3_600_000

describe.each(engines)('$kind', ({ kind, open }) => {
  const started: SharedClock[] = []
  afterEach(() => {
    for (const clock of started.splice(0)) clock.stop()
  })
  const start = async (...args: Parameters<typeof startSharedClock>): Promise<SharedClock> => {
    const clock = await startSharedClock(...args)
    started.push(clock)
    return clock
  }

  test.runIf(kind === 'sqlite')('an embedded store has the clock of its process', async () => {
    const { engine } = await open()
    expect((await start(engine.read, { wall: () => 1_234, elapsed: () => 7 })).now()).toBe(1_234)
  })

  test.runIf(kind === 'postgres')('a jump of the server by a day is ignored for ten minutes', async () => {
    const { engine } = await open()
    let [ahead, passed] = [0, 0]
    const one: typeof engine.read.one = async () => ({ now: 1_000 + ahead + passed })
    const jumps: string[] = []
    const clock = await start(
      { ...engine.read, one },
      { wall: () => 0, elapsed: () => passed, onJump: ({ kind: became }) => jumps.push(became) },
    )
    ahead = 24 * HOUR
    for (let minute = 1; minute <= 9; minute++) {
      passed += 60_000
      await clock.measure()
      expect(clock.now()).toBe(1_000 + passed)
    }
    ahead = 0
    await clock.measure()
    expect([clock.now(), jumps]).toEqual([1_000 + passed, ['ignored', 'returned']])
  })

  test.runIf(kind === 'postgres')('two nodes whose clocks are hours apart have the same time', async () => {
    const { engine } = await open()
    const ahead = await start(engine.read, { wall: () => Date.now() + 6 * HOUR, elapsed: () => performance.now() })
    const behind = await start(engine.read, { wall: () => Date.now() - 6 * HOUR, elapsed: () => performance.now() })
    expect(Math.abs(ahead.now() - behind.now())).toBeLessThan(HOUR)
  })

  test.runIf(kind === 'postgres')('a change of the wall clock moves nothing', async () => {
    const { engine } = await open()
    let [wall, elapsed] = [Date.now(), 0]
    const clock = await start(engine.read, { wall: () => wall, elapsed: () => elapsed })
    const before = clock.now()
    wall += 6 * HOUR
    expect(clock.now()).toBe(before)
    elapsed += 5_000
    expect(clock.now()).toBe(before + 5_000)
  })

  test.runIf(kind === 'postgres')('while the store does not answer, the clock goes on', async () => {
    const { engine } = await open()
    let [isDown, elapsed] = [false, 0]
    const read = { ...engine.read, one: (sql: string) => (isDown ? Promise.reject(new Error('down')) : engine.read.one(sql)) }
    const clock = await start(read, { wall: () => 0, elapsed: () => elapsed })
    const before = clock.now()
    isDown = true
    elapsed += 100
    await expect(clock.measure()).rejects.toThrow('down')
    expect(clock.now()).toBe(before + 100)
  })
})

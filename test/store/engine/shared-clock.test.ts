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
    expect((await start(engine.read, { now: () => 1_234 })).now()).toBe(1_234)
  })

  test.runIf(kind === 'postgres')('two nodes whose clocks are hours apart have the same time', async () => {
    const { engine } = await open()
    const ahead = await start(engine.read, { now: () => Date.now() + 6 * HOUR })
    const behind = await start(engine.read, { now: () => Date.now() - 6 * HOUR })
    expect(Math.abs(ahead.now() - behind.now())).toBeLessThan(HOUR)
  })

  test.runIf(kind === 'postgres')('a change of the wall clock moves nothing, and a pause of the process is made good', async () => {
    const { engine } = await open()
    let [wall, monotonic] = [Date.now(), 0]
    const clock = await start(engine.read, { now: () => wall, monotonic: () => monotonic })
    const before = clock.now()
    wall += 6 * HOUR
    expect(clock.now()).toBe(before)
    monotonic += 5_000
    expect(clock.now()).toBe(before + 5_000)
    // The monotonic clock did not run while the machine slept.
    monotonic -= 6 * HOUR
    await clock.measure()
    expect(clock.now()).toBeGreaterThanOrEqual(before)
  })

  test.runIf(kind === 'postgres')('while the store does not answer, the clock goes on', async () => {
    const { engine } = await open()
    let [isDown, monotonic] = [false, 0]
    const read = { ...engine.read, one: (sql: string) => (isDown ? Promise.reject(new Error('down')) : engine.read.one(sql)) }
    const clock = await start(read, { now: () => 0, monotonic: () => monotonic })
    const before = clock.now()
    isDown = true
    monotonic += 100
    await expect(clock.measure()).rejects.toThrow('down')
    expect(clock.now()).toBe(before + 100)
  })
})

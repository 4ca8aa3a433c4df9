/** ticker.test - one run at a time, errors are passed on, and stopping waits for the run that is under way */
import { expect, test } from 'vitest'
import { createTicker } from '../../src/service/ticker.ts'

function ticker(intervalMs = 3_600_000) {
  const errors: unknown[] = []
  const runs: { readonly end: (error?: Error) => void; readonly isStopped: () => boolean }[] = []
  const run = async (isStopped: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      runs.push({ isStopped, end: (error) => (error === undefined ? resolve() : reject(error)) })
    })
  return { runs, errors, ...createTicker({ intervalMs, run, onError: (error) => void errors.push(error) }) }
}

test('a tick during a run waits for it and starts no other', async () => {
  const { tick, runs } = ticker()
  const ticks = [tick(), tick()]
  expect(runs).toHaveLength(1)
  runs[0]?.end()
  await Promise.all(ticks)
  void tick()
  expect(runs).toHaveLength(2)
})

test('a run that fails is told, and the next tick runs again', async () => {
  const { tick, runs, errors } = ticker()
  const first = tick()
  runs[0]?.end(new Error('no store'))
  await first
  expect(errors).toEqual([new Error('no store')])
  void tick()
  expect(runs).toHaveLength(2)
})

test('it runs at intervals; stopping tells the run and waits for it', async () => {
  const { start, runs } = ticker(1)
  const stop = start()
  await expect.poll(() => runs.length).toBe(1)
  let hasStopped = false
  const stopped = stop().then(() => {
    hasStopped = true
  })
  expect([runs[0]?.isStopped(), hasStopped]).toEqual([true, false])
  runs[0]?.end()
  await stopped
  expect(hasStopped).toBe(true)
})

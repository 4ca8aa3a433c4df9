/**
 * fair-runner.test - one job at a time, accounts in turn, and a job that fails stops no other
 */
import { expect, test } from 'vitest'
import { createFairRunner } from '../../src/net/fair-runner.ts'

test('a hundred jobs of one account delay a job of another by one', async () => {
  const { run, waitUntilIdle } = createFairRunner()
  const order: string[] = []
  let running = 0
  const job = (name: string) => async (): Promise<string> => {
    running += 1
    expect(running).toBe(1)
    await Promise.resolve()
    order.push(name)
    running -= 1
    return name
  }
  const many = Array.from({ length: 100 }, (_, n) => run(1, job(`a${n}`)))
  const other = run(2, job('b'))
  expect(await other).toBe('b')
  expect(order).toEqual(['a0', 'b'])
  await waitUntilIdle()
  expect((await Promise.all(many)).length).toBe(100)
  expect(await run(3, job('c'))).toBe('c')
})

test('a job that fails rejects its caller, and the next one runs', async () => {
  const { run, waitUntilIdle } = createFairRunner()
  const failing = run(1, () => Promise.reject(new Error('no')))
  const throwing = run(1, () => {
    throw new Error('at once')
  })
  const next = run(1, () => Promise.resolve('yes'))
  await expect(failing).rejects.toThrow('no')
  await expect(throwing).rejects.toThrow('at once')
  expect(await next).toBe('yes')
  await waitUntilIdle()
})

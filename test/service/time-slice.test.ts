/**
 * time-slice.test - order of results, yielding, and errors
 */
import { expect, test } from 'vitest'
import { createTaskSeries, mapInTimeSlices, runInOwnSlice } from '../../src/service/time-slice.ts'

/** Blocks the thread. */
function busy(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end;);
}

test('results keep the order of the items, and another task runs before the last item', async () => {
  const seen: (number | string)[] = []
  setImmediate(() => seen.push('another'))
  const results = await mapInTimeSlices([1, 2, 3, 4], (item, index) => {
    busy(3)
    seen.push(item)
    return item * 10 + index
  })
  expect(results).toEqual([10, 21, 32, 43])
  expect(seen.filter((each) => each !== 'another')).toEqual([1, 2, 3, 4])
  expect(seen.indexOf('another')).toBeLessThan(4)
})

test('an error rejects, and later items are not started', async () => {
  const seen: number[] = []
  const work = (item: number): void => {
    seen.push(item)
    if (item === 2) throw new Error('two')
  }
  await expect(mapInTimeSlices([1, 2, 3], work)).rejects.toThrow('two')
  expect(seen).toEqual([1, 2])
  expect(await mapInTimeSlices([], work)).toEqual([])
})

test('each long task has a slice of its own, in order, and an error of one leaves the others', async () => {
  const seen: string[] = []
  const tasks = ['a', 'b', 'c'].map(async (name) =>
    runInOwnSlice(() => {
      // What is due before the next task of the same moment.
      setImmediate(() => seen.push('another'))
      seen.push(name)
      if (name === 'b') throw new Error('b')
      return name
    }),
  )
  const settled = await Promise.allSettled(tasks)
  expect(settled.map((each) => (each.status === 'fulfilled' ? each.value : 'error'))).toEqual(['a', 'error', 'c'])
  expect(seen).toEqual(['a', 'another', 'b', 'another', 'c'])
})

test('tasks of one turn run in a row, in order, and an error of one leaves the others', async () => {
  const seen: string[] = []
  const inSeries = createTaskSeries()
  const tasks = ['a', 'b', 'c'].map(async (name) =>
    inSeries(() => {
      seen.push(name)
      queueMicrotask(() => seen.push(`after ${name}`))
      if (name === 'b') throw new Error('b')
      return name
    }),
  )
  expect(seen).toEqual([])
  const settled = await Promise.allSettled(tasks)
  expect(settled.map((each) => (each.status === 'fulfilled' ? each.value : 'error'))).toEqual(['a', 'error', 'c'])
  expect(seen).toEqual(['a', 'b', 'c', 'after a', 'after b', 'after c'])
})

test('another task runs in between, and what a task or a later turn requests runs too', async () => {
  const seen: string[] = []
  const inSeries = createTaskSeries()
  const task = (name: string): Promise<number> =>
    inSeries(() => {
      busy(3)
      return seen.push(name)
    })
  const nested = inSeries(() => task('nested'))
  setImmediate(() => seen.push('another'))
  await Promise.all([task('a'), task('b'), task('c')])
  expect(seen.filter((each) => each !== 'another' && each !== 'nested')).toEqual(['a', 'b', 'c'])
  expect(seen.indexOf('another')).toBeLessThan(seen.indexOf('c'))
  await nested
  await task('later')
  expect(seen.at(-1)).toBe('later')
})

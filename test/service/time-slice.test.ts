/**
 * time-slice.test - order of results, yielding, and errors
 */
import { expect, test } from 'vitest'
import { mapInTimeSlices, runInOwnSlice } from '../../src/service/time-slice.ts'

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

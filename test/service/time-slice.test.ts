/**
 * time-slice.test - order of results, yielding, and stopping at the first error
 */
import { expect, test } from 'vitest'
import { mapInTimeSlices } from '../../src/service/time-slice.ts'

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

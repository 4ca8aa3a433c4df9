/**
 * batcher.test - sharing a commit, and what one culprit may do
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { createBatcher } from '../../src/service/batcher.ts'

type Item = { readonly n: number; readonly bad?: boolean }

function batcher(over: Partial<Parameters<typeof createBatcher<Item, string>>[0]> = {}): {
  batches: number[][]
  submit: (item: Item) => Promise<string>
  waitUntilIdle: () => Promise<void>
} {
  const batches: number[][] = []
  const made = createBatcher<Item, string>({
    maxItems: 10,
    maxBytes: 1_000,
    sizeOf: () => 1,
    maxConcurrent: 1,
    processBatch: async (items) => {
      if (items.some((item) => item.bad === true)) throw new Error('bad')
      batches.push(items.map((item) => item.n))
      await new Promise((resolve) => setTimeout(resolve, 5))
      return items.map((item) => `done ${item.n}`)
    },
    handleFailedItem: (item) => Promise.resolve(`culprit ${item.n}`),
    ...over,
  })
  return { batches, ...made }
}

const numbers = (count: number): Item[] => Array.from({ length: count }, (_, n) => ({ n }))

test('what comes together is committed together, up to the limit of items', async () => {
  const { batches, submit } = batcher()
  expect(await Promise.all(numbers(25).map(submit))).toEqual(numbers(25).map(({ n }) => `done ${n}`))
  expect(batches.map((batch) => batch.length)).toEqual([10, 10, 5])
})

test('bytes close a batch, and one item over the limit goes alone', async () => {
  const { batches, submit } = batcher({ sizeOf: ({ n }) => (n === 2 ? 5_000 : 400) })
  await Promise.all(numbers(5).map(submit))
  expect(batches).toEqual([[0, 1], [2], [3, 4]])
})

test('one culprit among 99 good ones harms only itself', async () => {
  const { submit } = batcher({ maxItems: 200 })
  const items = numbers(100).map((item) => ({ ...item, bad: item.n === 57 }))
  const answers = await Promise.all(items.map(submit))
  expect(answers.filter((answer) => answer.startsWith('done')).length).toBe(99)
  expect(answers[57]).toBe('culprit 57')
})

test('a store that is away fails the whole batch, each with the fault', async () => {
  const { submit } = batcher({ processBatch: () => Promise.reject(new Fault('store_busy', 'away')) })
  const answers = await Promise.allSettled(numbers(3).map(submit))
  expect(answers.map((answer) => (answer.status === 'rejected' ? answer.reason.code : 'resolved'))).toEqual([
    'store_busy',
    'store_busy',
    'store_busy',
  ])
})

test('a culprit that cannot even be kept is told so, and the others are not', async () => {
  const { submit } = batcher({ handleFailedItem: () => Promise.reject(new Fault('store_busy', 'away')) })
  const answers = await Promise.allSettled([submit({ n: 0 }), submit({ n: 1, bad: true })])
  expect(answers.map((answer) => answer.status)).toEqual(['fulfilled', 'rejected'])
})

test('idle waits for what runs and for what waits', async () => {
  const { batches, submit, waitUntilIdle } = batcher({ maxItems: 1 })
  await waitUntilIdle()
  const all = Promise.all(numbers(3).map(submit))
  await waitUntilIdle()
  expect(batches.length).toBe(3)
  await all
})

test('every item is answered once, in its own words, whoever is bad', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 3 }),
      async (bads, maxItems, lanes) => {
        const { submit } = batcher({ maxItems, maxConcurrent: lanes })
        const answers = await Promise.all(bads.map((bad, n) => submit({ n, bad })))
        expect(answers).toEqual(bads.map((bad, n) => (bad ? `culprit ${n}` : `done ${n}`)))
      },
    ),
    { numRuns: 50 },
  )
})

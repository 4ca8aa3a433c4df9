/**
 * batcher.test - limits of a batch, and isolation of a failing item
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { createBatcher } from '../../src/service/batcher.ts'

type Item = { readonly n: number; readonly bad?: boolean; readonly content?: Uint8Array }

function batcher(over: Partial<Parameters<typeof createBatcher<Item, string>>[0]> = {}): {
  batches: number[][]
  submit: (item: Item) => Promise<string>
  waitUntilIdle: () => Promise<void>
} {
  const batches: number[][] = []
  const made = createBatcher<Item, string>({
    maxItems: 10,
    maxBytes: 1_000,
    bytesOf: ({ content }) => content ?? new Uint8Array(1),
    accountOf: () => 0,
    maxConcurrent: 1,
    processBatch: async (items) => {
      if (items.some((item) => item.bad === true)) throw new Error('bad')
      batches.push(items.map((item) => item.n))
      await new Promise((resolve) => setTimeout(resolve, 5))
      return items.map((item) => `done ${item.n}`)
    },
    handleFailedItem: (item) => Promise.resolve(`failed ${item.n}`),
    ...over,
  })
  return { batches, ...made }
}

const numbers = (count: number): Item[] => Array.from({ length: count }, (_, n) => ({ n }))

test('concurrent items share a batch, up to the limit of items', async () => {
  const { batches, submit } = batcher()
  expect(await Promise.all(numbers(25).map(submit))).toEqual(numbers(25).map(({ n }) => `done ${n}`))
  expect(batches.map((batch) => batch.length)).toEqual([10, 10, 5])
})

test('the limit of bytes closes a batch, and an item above it gets a batch of its own', async () => {
  const { batches, submit } = batcher({ bytesOf: ({ n }) => new Uint8Array(n === 2 ? 5_000 : 400) })
  await Promise.all(numbers(5).map(submit))
  expect(batches).toEqual([[0, 1], [2], [3, 4]])
})

test('accounts take turns in filling a batch', async () => {
  const { batches, submit } = batcher({ maxItems: 4, accountOf: ({ n }) => (n < 20 ? 1 : 2) })
  await Promise.all(numbers(22).map(submit))
  expect(batches.slice(0, 2)).toEqual([
    [0, 20, 1, 21],
    [2, 3, 4, 5],
  ])
})

test('bytes that items share count once', async () => {
  const { batches, submit } = batcher()
  const [shared, other] = [new Uint8Array(600), new Uint8Array(600)]
  await Promise.all([shared, shared, shared, other, other].map((content, n) => submit({ n, content })))
  expect(batches).toEqual([
    [0, 1, 2],
    [3, 4],
  ])
})

test('one failing item among 99 good ones fails alone', async () => {
  const { submit } = batcher({ maxItems: 200 })
  const items = numbers(100).map((item) => ({ ...item, bad: item.n === 57 }))
  const results = await Promise.all(items.map(submit))
  expect(results.filter((result) => result.startsWith('done')).length).toBe(99)
  expect(results[57]).toBe('failed 57')
})

test('a retryable fault fails every item of the batch', async () => {
  const { submit } = batcher({ processBatch: () => Promise.reject(new Fault('store_busy', 'away')) })
  const results = await Promise.allSettled(numbers(3).map(submit))
  expect(results.map((result) => (result.status === 'rejected' ? result.reason.code : 'resolved'))).toEqual([
    'store_busy',
    'store_busy',
    'store_busy',
  ])
})

test('if handling the failing item fails, only that item is rejected', async () => {
  const { submit } = batcher({ handleFailedItem: () => Promise.reject(new Fault('store_busy', 'away')) })
  const results = await Promise.allSettled([submit({ n: 0 }), submit({ n: 1, bad: true })])
  expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected'])
})

test('waitUntilIdle waits for running and queued items', async () => {
  const { batches, submit, waitUntilIdle } = batcher({ maxItems: 1 })
  await waitUntilIdle()
  const all = Promise.all(numbers(3).map(submit))
  await waitUntilIdle()
  expect(batches.length).toBe(3)
  await all
})

test('every item gets its own result once, whichever items fail', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 3 }),
      async (failures, maxItems, maxConcurrent) => {
        const { submit } = batcher({ maxItems, maxConcurrent })
        const results = await Promise.all(failures.map((bad, n) => submit({ n, bad })))
        expect(results).toEqual(failures.map((bad, n) => (bad ? `failed ${n}` : `done ${n}`)))
      },
    ),
    { numRuns: 50 },
  )
})

// The faults of a store, as its engine reports them, and errors of the platform: none of them is an item's.
const notTheItem = [
  ['a violated constraint', new Fault('conflict', 'duplicate key')],
  ['a refused setting', new Fault('config_invalid', 'no such role')],
  ['a full disk', Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })],
  ['an overloaded part', new Fault('overloaded', 'too many')],
] as const
test.each(notTheItem)('%s rejects the item and never sets it aside', async (_, error) => {
  const setAside: number[] = []
  const { submit } = batcher({
    processBatch: async (items) => {
      if (items.some(({ bad }) => bad === true)) throw error
      return items.map(({ n }) => `done ${n}`)
    },
    handleFailedItem: async ({ n }) => {
      setAside.push(n)
      return 'set aside'
    },
  })
  const results = await Promise.allSettled([submit({ n: 0 }), submit({ n: 1, bad: true })])
  expect([results[1], setAside]).toEqual([{ status: 'rejected', reason: error }, []])
})

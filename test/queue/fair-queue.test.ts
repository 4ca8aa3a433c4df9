/**
 * fair-queue.test - accounts take turns, and the items of one account keep their order
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createFairQueue } from '../../src/queue/schedule/fair-queue.ts'

type Item = { readonly account: number; readonly n: number }

const steps = fc.array(
  fc.oneof({ weight: 3, arbitrary: fc.integer({ min: 1, max: 4 }) }, { weight: 2, arbitrary: fc.constant('take' as const) }),
  {
    maxLength: 80,
  },
)

/** Runs the steps and then empties the queue. Gives what happened: a push of an item, or the item that was taken. */
function play(list: readonly (number | 'take')[]): readonly { readonly what: 'push' | 'take'; readonly item: Item }[] {
  const queue = createFairQueue<Item>()
  const log: { what: 'push' | 'take'; item: Item }[] = []
  const take = (): void => {
    const next = queue.peek()
    const item = queue.shift()
    expect(item).toBe(next)
    if (item !== undefined) log.push({ what: 'take', item })
  }
  for (const [n, step] of list.entries()) {
    if (step === 'take') take()
    else {
      queue.push(step, { account: step, n })
      log.push({ what: 'push', item: { account: step, n } })
    }
  }
  while (queue.size() > 0) take()
  expect([queue.peek(), queue.shift()]).toEqual([undefined, undefined])
  return log
}

test('every item is taken once, and those of one account in their order', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const log = play(list)
      for (const account of [1, 2, 3, 4]) {
        const of = (what: 'push' | 'take') =>
          log.filter((each) => each.what === what && each.item.account === account).map(({ item }) => item.n)
        expect(of('take')).toEqual(of('push'))
      }
    }),
  )
})

test('no account waits for more than one item of each other account', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const waiting = new Map<number, number>()
      let since = new Map<number, Map<number, number>>()
      for (const { what, item } of play(list)) {
        const { account } = item
        if (what === 'push') {
          waiting.set(account, (waiting.get(account) ?? 0) + 1)
          if (!since.has(account)) since.set(account, new Map())
          continue
        }
        waiting.set(account, (waiting.get(account) ?? 0) - 1)
        since.delete(account)
        for (const [other, taken] of since) {
          taken.set(account, (taken.get(account) ?? 0) + 1)
          expect([other, Math.max(...taken.values())]).toEqual([other, 1])
        }
        if ((waiting.get(account) ?? 0) > 0) since = new Map([...since, [account, new Map()]])
      }
    }),
  )
})

/**
 * fair-queue.test - accounts take turns, the items of one account keep their order, and a bounded queue keeps its bounds
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

type Mail = { readonly sender: string; readonly bytes: number }

const createBounded = (maxItems: number, maxBytes: number) =>
  createFairQueue<Mail, string>({ maxItems, maxBytes, bytesOf: ({ bytes }) => bytes })

test('a key that is not allowed is passed over and keeps its items and its place', () => {
  const queue = createBounded(100, 100)
  for (const sender of ['a', 'a', 'a', 'b', 'b', 'c']) queue.push(sender, { sender, bytes: 1 })
  const drain = (isAllowed?: (sender: string) => boolean): string[] => {
    const senders: string[] = []
    for (let mail = queue.shift(isAllowed); mail !== undefined; mail = queue.shift(isAllowed)) senders.push(mail.sender)
    return senders
  }
  expect(drain((sender) => sender !== 'b')).toEqual(['a', 'c', 'a', 'a'])
  queue.push('a', { sender: 'a', bytes: 1 })
  expect(drain()).toEqual(['b', 'a', 'b'])
})

test('one item is taken however large it is', () => {
  const queue = createBounded(2, 10)
  expect(queue.push('a', { sender: 'a', bytes: 1_000 })).toBe(true)
  expect(queue.push('b', { sender: 'b', bytes: 1 })).toBe(false)
})

test('what is queued comes out once, in the order of its key, and items and bytes stay within the bounds', () => {
  const action = fc.oneof(
    fc.record({ sender: fc.constantFrom('a', 'b', 'c', 'd'), bytes: fc.integer({ min: 0, max: 5 }) }),
    fc.constantFrom('shift' as const, 'shift but a' as const),
    fc.constantFrom('a', 'b').map((removed) => ({ removed })),
  )
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const queue = createBounded(6, 12)
      let held: Mail[] = []
      for (const each of actions) {
        const item = typeof each === 'object' && 'sender' in each ? { ...each } : null
        const removed = typeof each === 'object' && 'removed' in each ? queue.remove(({ sender }) => sender === each.removed) : []
        const next = typeof each === 'string' ? queue.shift((sender) => each === 'shift' || sender !== 'a') : undefined
        const isFirstOfItsKey = next !== undefined && held.find(({ sender }) => sender === next.sender) === next
        const isNoneAllowed =
          next === undefined && (typeof each !== 'string' || held.every(({ sender }) => each !== 'shift' && sender === 'a'))
        expect(isFirstOfItsKey || isNoneAllowed).toBe(true)
        const out = next === undefined ? removed : [next]
        expect(out.every((mail) => held.includes(mail))).toBe(true)
        held = held.filter((mail) => !out.includes(mail))
        if (item !== null && queue.push(item.sender, item)) held.push(item)
        expect(queue.size()).toBe(held.length)
        expect(held.length).toBeLessThanOrEqual(6)
        expect(held.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(12)
      }
      expect(new Set(queue.remove(() => true))).toEqual(new Set(held))
      expect([queue.size(), queue.peek()]).toEqual([0, undefined])
    }),
  )
})

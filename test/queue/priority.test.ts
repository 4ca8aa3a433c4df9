/** priority.test - transactional messages go first, batch keeps one attempt of five, and within a class lanes share as before */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import { createQueue, enqueue, nextDispatchBatch, type Queue } from '../../src/queue/queue.ts'
import { propertyRuns } from '../support/property-runs.ts'
import { attemptsOfLanes, BASE, crowds, type ClassAttempts, type Crowd } from './crowd.ts'
import { HOUR, mailOf, MINUTE, T0 } from './play.ts'

const newQueue = (): Queue => createQueue({ policy: BACKOFF_POLICIES.default, seed: 3, pools: { '*': ['192.0.2.1'] } })

/** Adds messages to lanes of their own: `t` transactional, `b` batch. */
function add(queue: Queue, name: string, count: number, toOne = false): void {
  for (let n = 0; n < count; n++) {
    const domain = toOne ? 'one.example' : `${name}${n}.example`
    const to = {
      account: name.startsWith('b') ? 2 : 1,
      domain,
      site: domain,
      mxSet: `mx.${domain}`,
    }
    enqueue(queue, mailOf(`${name}${n}`, T0, name.startsWith('b') ? { ...to, isBatch: true } : to), T0)
  }
}

/** The classes of the next attempts, in their order. */
const classesSent = (queue: Queue, capacity: number): string =>
  nextDispatchBatch(queue, T0, capacity)
    .dispatches.map(({ mailId }) => mailId[0])
    .join('')

test.each([
  ['lanes of their own', false],
  ['one lane', true],
])('of five attempts one is of batch: %s', (_, toOne) => {
  const queue = newQueue()
  add(queue, 'b', 40, toOne)
  add(queue, 't', 40, toOne)
  expect(classesSent(queue, 25)).toBe('ttttb'.repeat(5))
})

test.each([1, 2, 3, 7])('the same with a capacity of %d', (capacity) => {
  const queue = newQueue()
  add(queue, 'b', 40)
  add(queue, 't', 40)
  const sent = Array.from({ length: 12 }, () => classesSent(queue, capacity))
    .join('')
    .slice(0, 40)
  expect(sent).toBe('ttttb'.repeat(10).slice(0, sent.length))
})

test('a transactional message goes before all batch messages that wait', () => {
  const queue = newQueue()
  add(queue, 'b', 1_000)
  expect(classesSent(queue, 100)).toBe('b'.repeat(100))
  add(queue, 't', 2)
  expect(classesSent(queue, 10)).toBe('ttbbbbbbbb')
})

test('a class that is alone has everything, and batch is owed two attempts at most afterwards', () => {
  const queue = newQueue()
  add(queue, 't', 60)
  expect(classesSent(queue, 40)).toBe('t'.repeat(40))
  add(queue, 'b', 20)
  expect(classesSent(queue, 11)).toBe('bbttttbtttt')
  expect(classesSent(queue, 100)).toBe(`${'btttt'.repeat(3)}${'b'.repeat(14)}`)
})

/** What each class has of all attempts, and how far apart the lanes of each are. */
function sharesOf(all: readonly ClassAttempts[]): {
  readonly batch: number
  readonly transactional: number
  readonly apart: number
} {
  const byClass = [false, true].map((isBatch) => all.filter((each) => each.isBatch === isBatch).map(({ attempts }) => attempts))
  const [transactional = 0, batch = 0] = byClass.map((each) => each.reduce((sum, n) => sum + n, 0))
  return {
    batch,
    transactional,
    apart: Math.max(...byClass.map((each) => Math.max(0, ...each) - Math.min(...each, Infinity))),
  }
}

/** Attempts that several egress IPs begin together may leave their order: a few, and of many one in a thousand. */
const toleranceOf = ({ batch, transactional }: { readonly batch: number; readonly transactional: number }): number =>
  16 + (batch + transactional) / 1_000

test.each<[string, Partial<Crowd>]>([
  ['a rate', {}],
  ['a rate, one attempt at once', { capacity: 1 }],
  ['connections', { limit: 'connection', accounts: 3, connections: 2, ips: 1 }],
  ['a sender domain', { limit: 'sender-domain', domains: 3, perMinute: 40 }],
])('behind one key both classes of a lane have their share: %s', (_, change) => {
  const shares = sharesOf(attemptsOfLanes({ ...BASE, ...change, classes: 'both' }, 2 * HOUR))
  const lack = (shares.batch + shares.transactional) / 5 - shares.batch
  expect(Math.max(Math.abs(lack), shares.apart)).toBeLessThanOrEqual(toleranceOf(shares))
})

test('of keys that open in one moment each lane gets one, and batch gets those that are left', () => {
  const shares = sharesOf(attemptsOfLanes({ ...BASE, ips: 3, classes: 'both' }, 2 * HOUR))
  expect(shares.apart).toBeLessThanOrEqual(toleranceOf(shares))
  // Of three egress IPs, the two transactional lanes take two.
  expect(Math.abs(shares.transactional - 2 * shares.batch)).toBeLessThanOrEqual(toleranceOf(shares))
})

test('with any mix, batch has its share, and lanes of a class have equal shares', () => {
  const mixes = fc.record({
    crowd: crowds,
    classes: fc.constantFrom<Crowd['classes']>('both', 'mixed'),
  })
  fc.assert(
    fc.property(mixes, ({ crowd, classes }) => {
      const all = attemptsOfLanes({ ...crowd, classes }, 15 * MINUTE)
      const shares = sharesOf(all)
      const hasBoth = new Set(all.map(({ isBatch }) => isBatch)).size === 2
      const lack = hasBoth ? (shares.batch + shares.transactional) / 5 - shares.batch : 0
      expect(Math.max(lack, shares.apart)).toBeLessThanOrEqual(toleranceOf(shares))
    }),
    { numRuns: propertyRuns(30, 500) },
  )
}, 240_000)

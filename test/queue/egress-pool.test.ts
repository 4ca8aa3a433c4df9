/** egress-pool.test - which rule chooses the pool of a message; the shares of egress IPs by weight; pools by label in a queue */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import { createEgressPools, poolOf, type PoolRule, type PoolSelector, type PoolTable } from '../../src/queue/egress-pool.ts'
import type { Dispatch, QueueMessage } from '../../src/queue/message.ts'
import { applyCommand, createQueue, enqueue, nextDispatchBatch, type Queue } from '../../src/queue/queue.ts'
import { applyAttemptResult } from '../../src/queue/schedule/attempt-result.ts'
import { advanceRotation, rotationOrderOf } from '../../src/queue/schedule/egress-rotation.ts'
import { propertyRuns } from '../support/property-runs.ts'
import { mailOf, T0 } from './play.ts'

const rule = (pool: string, conditions: Partial<PoolRule>): PoolRule => ({ ...conditions, pool })

const TABLE: PoolTable = Object.fromEntries(
  ['*', '7', 'als', 'al', 'as', 'ls', 'l', 's', 'same'].map((name, i) => [name, [`192.0.2.${i + 1}`]]),
)

const RULES = [
  rule('s', { senderDomain: 'example.com' }),
  rule('l', { label: 'receipt' }),
  rule('ls', { label: 'receipt', senderDomain: 'example.com' }),
  rule('as', { account: 8, senderDomain: 'example.com' }),
  rule('al', { account: 8, label: 'receipt' }),
  rule('als', { account: 8, label: 'receipt', senderDomain: 'example.com' }),
  rule('missing', { account: 9 }),
]

test.each<[number, string, string | undefined, string]>([
  // account, sender domain, label          pool
  [8, 'example.com', 'Receipt', 'als'],
  [8, 'example.org', 'receipt', 'al'],
  [8, 'example.com', 'news', 'as'],
  [8, 'example.com', undefined, 'as'],
  [8, 'example.org', undefined, '*'],
  [7, 'example.com', 'receipt', '7'],
  [1, 'example.com', 'RECEIPT', 'ls'],
  [1, 'example.org', 'receipt', 'l'],
  [1, 'example.com', undefined, 's'],
  [1, 'news.example.com', undefined, '*'],
  [9, 'example.org', undefined, '*'],
])('account %j, sender domain %j, label %j: pool %j', (account, senderDomain, labelName, want) => {
  const to: PoolSelector = labelName === undefined ? { account, senderDomain } : { account, senderDomain, labelName }
  expect(poolOf(createEgressPools(TABLE, RULES), to).name).toBe(want)
  expect(poolOf(createEgressPools(TABLE, RULES.toReversed()), to).name).toBe(want)
})

test('a label that imitates the separator of rule names chooses no pool of another rule', () => {
  const pools = createEgressPools(TABLE, [rule('l', { label: '8|example.com' }), rule('as', { account: 8, senderDomain: 'example.com' })])
  expect(poolOf(pools, { account: 8, senderDomain: 'example.com', labelName: '|' }).name).toBe('as')
  expect(poolOf(pools, { account: 1, senderDomain: '', labelName: '8|example.com|' }).name).toBe('*')
})

test('every open IP has its share of any series of messages, and one that was closed catches up with nothing', () => {
  const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(weights, fc.integer({ min: 1, max: 200 }), fc.nat(), (given, count, closedIndex) => {
      const ips = given.map((weight) => ({ weight, credit: 0 }))
      const send = (closed: readonly (typeof ips)[number][]): (typeof ips)[number] | undefined => {
        const order = rotationOrderOf(ips)
        const sender = order.find((ip) => !closed.includes(ip))
        if (sender !== undefined) advanceRotation(ips, sender, order.slice(0, order.indexOf(sender)))
        return sender
      }
      const closed = ips.length > 1 ? ips.slice(closedIndex % ips.length).slice(0, 1) : []
      for (let i = 0; i < 50; i++) expect(closed).not.toContain(send(closed))
      const total = given.reduce((sum, weight) => sum + weight, 0)
      const sent = new Map(ips.map((ip) => [ip, 0]))
      for (let i = 0; i < count; i++) {
        const sender = send([])
        if (sender !== undefined) sent.set(sender, (sent.get(sender) ?? 0) + 1)
      }
      for (const [ip, n] of sent) expect(Math.abs(n - (count * ip.weight) / total)).toBeLessThan(ips.length + 1)
      expect(ips.reduce((sum, { credit }) => sum + credit, 0)).toBe(0)
    }),
    { numRuns: propertyRuns(100, 2_000) },
  )
})

const queueOf = (pools: PoolTable, poolRules: readonly PoolRule[] = []): Queue =>
  createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools, poolRules })

/** Adds messages, and returns all that can be sent at once. */
function sendAll(queue: Queue, mails: readonly QueueMessage[]): readonly Dispatch[] {
  for (const mail of mails) enqueue(queue, mail, T0)
  return nextDispatchBatch(queue, T0, 10_000).dispatches
}

function countByIp(dispatches: readonly Dispatch[]): Record<string, number> {
  const counts = Object.groupBy(dispatches, ({ egressIp }) => egressIp)
  return Object.fromEntries(Object.entries(counts).map(([ip, sent = []]) => [ip, sent.length]))
}

const WEIGHTED: PoolTable = { '*': [{ ip: '192.0.2.1', weight: 3 }, '192.0.2.2', { ip: '192.0.2.3', weight: 0 }] }

test.each([
  ['one domain', () => 'example.com', 400],
  ['domains of one message', (i: number) => `d${i}.example`, 400],
  ['domains of two messages', (i: number) => `d${i >> 1}.example`, 400],
])('weights 3, 1 and 0 share the messages to %s', (_, domainOf, count) => {
  const mails = Array.from({ length: count }, (__, i) => {
    const domain = domainOf(i)
    return mailOf(`m${i}`, T0, { domain, site: domain, mxSet: `mx.${domain}` })
  })
  expect(countByIp(sendAll(queueOf(WEIGHTED), mails))).toEqual({ '192.0.2.1': 300, '192.0.2.2': 100 })
})

test('an IP of weight 0 sends while no other is open', () => {
  const queue = queueOf(WEIGHTED)
  const mail = mailOf('m1', T0)
  const refused = { ...mail, refusedBy: ['192.0.2.1', '192.0.2.2'] }
  expect(sendAll(queue, [refused]).map(({ egressIp }) => egressIp)).toEqual(['192.0.2.3'])
})

test('the label chooses the pool, also after a refusal of an IP, and in the same lane', () => {
  const queue = queueOf({ '*': ['192.0.2.1'], fast: ['192.0.2.8', '192.0.2.9'] }, [rule('fast', { label: 'receipt' })])
  const sent = sendAll(queue, [mailOf('plain', T0), { ...mailOf('labelled', T0), labelName: 'Receipt' }])
  expect(new Map(sent.map(({ mailId, egressIp }) => [mailId, egressIp]))).toEqual(
    new Map([
      ['plain', '192.0.2.1'],
      ['labelled', '192.0.2.8'],
    ]),
  )
  expect(queue.lanes.size).toBe(1)
  const first = sent.find(({ mailId }) => mailId === 'labelled')
  applyAttemptResult(queue, first?.number ?? 0, { kind: 'unreachable', how: 'no-family', text: 'no address of its family' }, T0)
  const again = nextDispatchBatch(queue, T0, 10).dispatches
  expect(again.map(({ mailId, egressIp, hasOtherIp }) => ({ mailId, egressIp, hasOtherIp }))).toEqual([
    { mailId: 'labelled', egressIp: '192.0.2.9', hasOtherIp: false },
  ])
})

test('mail that waited for a pool or an IP that is gone leaves by another', () => {
  const waited = { ...mailOf('m1', T0), labelName: 'receipt', refusedBy: ['192.0.2.77'] }
  expect(sendAll(queueOf({ '*': ['192.0.2.1'] }), [waited]).map(({ egressIp }) => egressIp)).toEqual(['192.0.2.1'])
})

test('an IP that only a rule reaches can warm up', () => {
  const queue = queueOf({ '*': ['192.0.2.1'], fast: ['192.0.2.8'] }, [rule('fast', { label: 'receipt' })])
  applyCommand(queue, { kind: 'warm-up', egressIp: '192.0.2.8', startedAt: T0 }, T0)
  expect(queue.warmUps.get('192.0.2.8')).toBe(T0)
})

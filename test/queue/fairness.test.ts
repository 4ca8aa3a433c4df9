/** fairness.test - lanes that wait for one key share what it lets through, whatever the number of lanes, accounts, egress IPs and attempts */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BACKOFF_KEYS } from '../../src/queue/backoff/backoff-key.ts'
import { BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import type { Dispatch } from '../../src/queue/message.ts'
import { applyAttemptResult } from '../../src/queue/schedule/attempt-result.ts'
import { createQueue, enqueue, nextDispatchBatch, nextWakeAt } from '../../src/queue/queue.ts'
import { restoreKeyStates } from '../../src/queue/snapshot.ts'
import { propertyRuns } from '../support/property-runs.ts'
import { HOUR, mailOf, MINUTE, T0 } from './play.ts'

type Crowd = {
  /** What all lanes wait for: the rate of each egress IP, the rate of the sender domain, or the connections of each IP to the site. */
  readonly limit: 'ip' | 'sender-domain' | 'connection'
  readonly ips: number
  /** The weights of the egress IPs, repeated; 0: used while no other is open. */
  readonly weights: readonly number[]
  readonly accounts: number
  readonly domains: number
  /** Sender domains of a lane: each has a stream of its own. With one egress IP, the second lane of an account has one more. */
  readonly senders: number
  readonly perMinute: number
  readonly connections: number
  /** The most attempts at once. */
  readonly capacity: number
  readonly attemptMs: number
}

const crowds: fc.Arbitrary<Crowd> = fc.record({
  limit: fc.constantFrom('ip', 'sender-domain', 'connection'),
  ips: fc.integer({ min: 1, max: 4 }),
  weights: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 }),
  accounts: fc.integer({ min: 1, max: 4 }),
  domains: fc.integer({ min: 1, max: 4 }),
  senders: fc.integer({ min: 1, max: 3 }),
  perMinute: fc.integer({ min: 2, max: 40 }),
  connections: fc.integer({ min: 1, max: 3 }),
  capacity: fc.integer({ min: 1, max: 30 }),
  attemptMs: fc.integer({ min: 50, max: 20_000 }),
})

/** Attempts of each lane. A new message replaces each delivered one, so that no lane ever runs out. */
function attemptsOfLanes(crowd: Crowd, forMs: number): number[] {
  const pool = Array.from({ length: crowd.ips }, (_, i) => `192.0.2.${i + 1}`)
  const queue = createQueue({
    policy: BACKOFF_POLICIES.never,
    seed: 3,
    pools: { '*': pool.map((ip, i) => ({ ip, weight: crowd.weights[i % crowd.weights.length] ?? 1 })) },
    ...(crowd.limit === 'connection' ? { connectionsPerSite: crowd.connections } : {}),
  })
  const counts = new Map<string, number>()
  for (let i = 0; i < 40; i++) {
    for (let account = 1; account <= crowd.accounts; account++) {
      for (let d = 0; d < crowd.domains; d++) {
        counts.set(`${account} ${d}`, 0)
        const senders = crowd.limit === 'sender-domain' ? 1 : crowd.senders + (d === 1 && crowd.ips === 1 ? 1 : 0)
        for (let s = 0; s < senders; s++) {
          const to = { account, domain: `d${d}.example`, senderDomain: `s${s}.example`, mxSet: 'mx.example' }
          enqueue(queue, mailOf(`${i} ${account} ${d} ${s}`, T0, to), T0)
        }
      }
    }
  }
  const rate = { start: 1, epoch: 0, halvedAt: T0, from: T0, seen: 0, asked: 0, clean: 0, guessTo: 0 }
  const plain = { key: '', manual: null, limit: null, breadth: null, warming: null, pace: { ...rate, perMinute: crowd.perMinute } }
  const to = mailOf('any', T0, { senderDomain: 's0.example' })
  if (crowd.limit === 'sender-domain') restoreKeyStates(queue, [{ ...plain, key: BACKOFF_KEYS.senderDomain(to) }], T0)
  if (crowd.limit === 'ip')
    restoreKeyStates(
      queue,
      pool.map((egressIp) => ({ ...plain, key: BACKOFF_KEYS.ip({ ...to, egressIp }) })),
      T0,
    )
  const pending: { readonly at: number; readonly dispatch: Dispatch }[] = []
  let now = T0
  let sent = 0
  while (now < T0 + forMs) {
    for (const dispatch of nextDispatchBatch(queue, now, crowd.capacity - pending.length).dispatches) {
      const lane = `${dispatch.account} ${dispatch.domain.slice(1, dispatch.domain.indexOf('.'))}`
      counts.set(lane, (counts.get(lane) ?? 0) + 1)
      // The attempts of a crowd do not all take the same time.
      pending.push({ at: now + Math.ceil((crowd.attemptMs * (1 + (sent++ % 5))) / 3), dispatch })
      pending.sort((a, b) => a.at - b.at)
    }
    const wake = pending.length < crowd.capacity ? nextWakeAt(queue, now) : null
    const next = Math.min(pending[0]?.at ?? Infinity, wake === null ? Infinity : Math.max(wake, now + 1))
    if (next === Infinity) break
    now = next
    for (let first = pending[0]; first !== undefined && first.at <= now; first = pending[0]) {
      pending.shift()
      applyAttemptResult(queue, first.dispatch.number, { kind: 'accepted' }, now)
      enqueue(queue, { ...first.dispatch, id: `n${first.dispatch.number}`, acceptedAt: now, attempts: 0, dueAt: 0 }, now)
    }
  }
  return [...counts.values()]
}

const BASE: Crowd = {
  limit: 'ip',
  ips: 2,
  weights: [1],
  accounts: 2,
  domains: 1,
  senders: 1,
  perMinute: 10,
  connections: 1,
  capacity: 10,
  attemptMs: 500,
}

test.each<[string, Partial<Crowd>]>([
  ['two accounts, two egress IPs', {}],
  ['two accounts, two egress IPs, one attempt at once', { capacity: 1 }],
  ['two accounts, three egress IPs', { ips: 3 }],
  ['three egress IPs of different weights, one in reserve', { ips: 3, weights: [3, 1, 0] }],
  ['lanes with different numbers of sender domains', { accounts: 1, domains: 2, ips: 1 }],
  ['connections', { limit: 'connection', accounts: 3, connections: 2, ips: 1 }],
  [
    'connections of two IPs, several sender domains',
    { limit: 'connection', accounts: 3, domains: 3, senders: 3, connections: 3, attemptMs: 4000 },
  ],
  ['capacity and rate in turns', { accounts: 1, domains: 2, ips: 1, perMinute: 19, capacity: 2, attemptMs: 11_393 }],
  ['capacity and the rates of four IPs in turns', { domains: 2, ips: 4, perMinute: 28, capacity: 26, attemptMs: 19_343 }],
  ['three IPs that open together', { accounts: 1, domains: 2, senders: 2, ips: 3, perMinute: 36, capacity: 29, attemptMs: 3100 }],
])('equal shares: %s', (_, change) => {
  const counts = attemptsOfLanes({ ...BASE, ...change }, 2 * HOUR)
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(16)
})

test('lanes that wait for one key get equal shares', () => {
  fc.assert(
    fc.property(crowds, (crowd) => {
      const counts = attemptsOfLanes(crowd, 15 * MINUTE)
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(16)
    }),
    { numRuns: propertyRuns(30, 500) },
  )
}, 240_000)

/** lane-limits.test - what is shown of a lane: stopped only if nothing can leave, the rate in force, pauses and rates of lanes without mail */
import { expect, test } from 'vitest'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import { type LaneStatus, statusOfLane } from '../../../src/queue/observe/lane-view.ts'
import { applyAttemptResult } from '../../../src/queue/schedule/attempt-result.ts'
import { getOrCreateLane } from '../../../src/queue/schedule/lane.ts'
import { applyCommand, createQueue, enqueue, nextDispatchBatch, type Queue } from '../../../src/queue/queue.ts'
import { restoreKeyStates, snapshotKeyStates } from '../../../src/queue/snapshot.ts'
import { DAY, HOUR, mailOf, refusal, T0 } from '../play.ts'

const IPS = ['192.0.2.1', '192.0.2.2'] as const
const LANE = { account: 1, domain: 'example.com' } as const
const queueOf = (pool: readonly string[] = IPS): Queue => createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': pool } })

function fill(queue: Queue, n: number): void {
  for (let i = 0; i < n; i++) enqueue(queue, mailOf(`m${i}`, T0), T0)
}

const statusAt = (queue: Queue, now = T0 + 1): LaneStatus => statusOfLane(queue, getOrCreateLane(queue, LANE), now)

/** Refuses as many messages as the queue sends now. */
function refuse(queue: Queue, n: number, kind: Parameters<typeof refusal>[0]): void {
  for (const { number } of nextDispatchBatch(queue, T0, n).dispatches) applyAttemptResult(queue, number, refusal(kind), T0)
}

test('a lane that leaves by another egress IP is not stopped, and shows no reason; stopped when no IP is left', () => {
  const queue = queueOf()
  fill(queue, 10)
  refuse(queue, 1, 'ip-blocklist')
  expect(statusAt(queue)).toMatchObject({ state: 'active', isStopped: false, reason: null, nextSendingAt: null, perMinuteInForce: null })
  refuse(queue, 1, 'ip-blocklist')
  expect(statusAt(queue)).toMatchObject({ state: 'paused', isStopped: true, reason: 'IP reputation', perMinuteInForce: 0 })
})

test('the rate in force is the lowest of all, and of several egress IPs the sum of those that are open', () => {
  const queue = queueOf()
  fill(queue, 40)
  const rate = { start: 1, epoch: 0, halvedAt: T0, from: T0, seen: 0, asked: 0, clean: 0, guessTo: 0 }
  const key = (egressIp: string, perMinute: number) => ({
    key: `ip|${egressIp}|big`,
    manual: null,
    limit: null,
    breadth: null,
    warming: null,
    pace: { ...rate, perMinute },
  })
  restoreKeyStates(queue, [key(IPS[0], 12)], T0)
  expect(statusAt(queue).perMinuteInForce).toBeNull()
  restoreKeyStates(queue, [key(IPS[1], 30)], T0)
  expect(statusAt(queue)).toMatchObject({ perMinute: null, perMinuteInForce: 42 })
  applyCommand(queue, { kind: 'rate', ...LANE, perMinute: 20 }, T0)
  expect(statusAt(queue)).toMatchObject({ perMinute: 20, perMinuteInForce: 20 })
  applyCommand(queue, { kind: 'rate', ...LANE, perMinute: 60 }, T0)
  expect(statusAt(queue)).toMatchObject({ perMinute: 60, perMinuteInForce: 42 })
})

test('a pause and a rate of a domain without mail show, also after a restart', () => {
  const queue = queueOf()
  applyCommand(queue, { kind: 'pause', ...LANE, until: T0 + DAY, after15Days: 'keep' }, T0)
  applyCommand(queue, { kind: 'rate', account: 1, domain: 'example.org', perMinute: 6 }, T0)
  const restarted = queueOf()
  restoreKeyStates(restarted, snapshotKeyStates(queue), T0)
  expect([...restarted.lanes.values()].map(({ domain }) => domain).toSorted()).toEqual(['example.com', 'example.org'])
  for (const each of [queue, restarted]) {
    expect(statusAt(each)).toMatchObject({ state: 'manual', isStopped: true, reason: 'Paused by user', nextSendingAt: T0 + DAY })
    const limited = statusOfLane(each, getOrCreateLane(each, { account: 1, domain: 'example.org' }), T0)
    expect(limited).toMatchObject({ state: 'limited', isStopped: false, reason: 'Rate limit', perMinute: 6, perMinuteInForce: 6 })
  }
})

test('a lane without mail is dropped an hour after its last mail, unless an operator slowed it', () => {
  const queue = queueOf()
  const to = { domain: 'slow.example', site: 'slow.example', mxSet: 'mx.slow.example' }
  enqueue(queue, mailOf('a', T0), T0)
  enqueue(queue, mailOf('b', T0, to), T0)
  applyCommand(queue, { kind: 'rate', account: 1, domain: 'slow.example', perMinute: 6 }, T0)
  for (const { number } of nextDispatchBatch(queue, T0, 10).dispatches) applyAttemptResult(queue, number, { kind: 'accepted' }, T0)
  nextDispatchBatch(queue, T0 + HOUR / 2, 1)
  expect([...queue.lanes.values()].map(({ domain }) => domain)).toEqual(['example.com', 'slow.example'])
  nextDispatchBatch(queue, T0 + 2 * HOUR, 1)
  nextDispatchBatch(queue, T0 + 3 * HOUR, 1)
  expect([...queue.lanes.values()].map(({ domain }) => domain)).toEqual(['slow.example'])
})

test('the warm-up of an egress IP that is in no pool is refused; its end is not', () => {
  const queue = queueOf()
  const warmUp = (egressIp: string, startedAt: number | null) => applyCommand(queue, { kind: 'warm-up', egressIp, startedAt }, T0)
  expect(() => warmUp('192.0.2.9', T0)).toThrow(/192\.0\.2\.9 is in no pool/)
  expect(warmUp('192.0.2.9', null)).toEqual([])
  expect(warmUp(IPS[0], T0)).toEqual([])
  expect([...queue.warmUps.keys()]).toEqual([IPS[0]])
})

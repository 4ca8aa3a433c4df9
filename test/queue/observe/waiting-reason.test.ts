/** waiting-reason.test - why one message waits: its own reasons first, then what holds its lane */
import { expect, test } from 'vitest'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import type { LaneStatus } from '../../../src/queue/observe/lane-view.ts'
import { statusOfLane } from '../../../src/queue/observe/lane-view.ts'
import { explainWaiting } from '../../../src/queue/observe/waiting-reason.ts'
import { applyCommand, createQueue, enqueue, nextDispatchBatch } from '../../../src/queue/queue.ts'
import { applyAttemptResult } from '../../../src/queue/schedule/attempt-result.ts'
import { HOUR, mailOf, refusal, T0 } from '../play.ts'

const message = { requestedAt: null, dueAt: 0, attempts: 0, dispatchedAt: null, refusedBy: [], labelId: null }

/** The status of the only lane of a queue in which something happened. */
function laneAfter(change: (queue: ReturnType<typeof createQueue>) => void): LaneStatus {
  const queue = createQueue({ policy: BACKOFF_POLICIES.default, seed: 2, pools: { '*': ['192.0.2.1'] } })
  for (const id of ['a', 'b', 'c']) enqueue(queue, mailOf(id, T0), T0)
  change(queue)
  const [lane] = queue.lanes.values()
  if (lane === undefined) throw new Error('there is no lane')
  return statusOfLane(queue, lane, T0)
}

const open = laneAfter(() => undefined)
const blocked = laneAfter((queue) => {
  const [first] = nextDispatchBatch(queue, T0, 1).dispatches
  applyAttemptResult(queue, first?.number ?? 0, refusal('ip-blocklist'), T0)
})
const paused = laneAfter((queue) =>
  applyCommand(queue, { kind: 'pause', account: 1, domain: 'example.com', until: T0 + 2 * HOUR, after15Days: 'keep' }, T0),
)
const slow = laneAfter((queue) => {
  applyCommand(queue, { kind: 'rate', account: 1, domain: 'example.com', perMinute: 1 }, T0)
  nextDispatchBatch(queue, T0, 5)
})

test.each([
  // message                                            lane     delivers  state             text
  [message, open, false, 'not-delivering', 'No node delivers'],
  [{ ...message, dispatchedAt: T0 }, blocked, true, 'sending', 'attempt is in progress'],
  [message, null, true, 'loading', 'just accepted'],
  [message, open, true, 'due', '3 messages wait in its lane'],
  [message, blocked, true, 'held', 'IP reputation (ip-blocklist) holds its lane until'],
  [message, paused, true, 'held', 'Paused by user holds its lane until 2026-03-27T02:00:00.000Z'],
  [message, slow, true, 'held', 'Rate limit holds its lane until'],
  [{ ...message, attempts: 2, dueAt: T0 + HOUR }, open, true, 'deferred', 'deferred after 2 attempts'],
  [{ ...message, attempts: 1, dueAt: T0 + 100 * HOUR }, blocked, true, 'deferred', 'deferred after one attempt'],
  [{ ...message, attempts: 1, dueAt: T0 + HOUR }, paused, true, 'held', 'Paused by user'],
  [{ ...message, dueAt: T0 + HOUR }, null, true, 'deferred', 'not to be sent before 2026-03-27T01:00:00.000Z'],
  [{ ...message, requestedAt: T0, dueAt: T0 + HOUR }, null, true, 'scheduled', 'waits for its send time, 2026-03-27T01:00:00.000Z'],
  [{ ...message, requestedAt: T0, dueAt: T0 + HOUR }, paused, true, 'scheduled', 'waits for its send time'],
  [{ ...message, requestedAt: T0, dueAt: T0 + HOUR, attempts: 1 }, open, true, 'deferred', 'deferred after one attempt'],
  [{ ...message, requestedAt: T0 - HOUR, dueAt: T0 }, open, true, 'due', '3 messages wait in its lane'],
] as const)('case %#', (row, lane, isDelivering, state, text) => {
  const why = explainWaiting(row, lane, { isDelivering, now: T0 })
  expect([why.state, why.text]).toEqual([state, expect.stringContaining(text)])
})

test('the times, the key and the replies come along', () => {
  const why = explainWaiting({ ...message, refusedBy: ['192.0.2.1'] }, blocked, { isDelivering: true, now: T0 })
  expect(why).toMatchObject({ key: 'ip|192.0.2.1|big', class: 'ip-blocklist', refusedBy: ['192.0.2.1'], waiting: 3 })
  expect(why.nextSendingAt).toBe(blocked.nextSendingAt)
  expect(why.evidence).toHaveLength(1)
})

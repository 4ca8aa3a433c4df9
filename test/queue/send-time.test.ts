/** send-time.test - messages before their send time: they count nowhere, wake the queue in time, and leave it like other waiting mail */
import { expect, test } from 'vitest'
import { BACKOFF_POLICIES } from '../../src/queue/backoff/policy.ts'
import { laneGroupOf } from '../../src/queue/lane-group.ts'
import { applyCommand, createQueue, enqueue, nextDispatchBatch, nextWakeAt, type Queue } from '../../src/queue/queue.ts'
import { releaseGroups } from '../../src/queue/schedule/release-groups.ts'
import { withdrawMessage } from '../../src/queue/schedule/withdraw.ts'
import { DAY, GIVE_UP, HOUR, mailOf, runUntil, sentAt, T0, refusal } from './play.ts'

const newQueue = (): Queue => createQueue({ policy: BACKOFF_POLICIES.default, seed: 3, pools: { '*': ['192.0.2.1'] }, maxInFlight: 10 })

const sentIds = (queue: Queue, now: number): readonly string[] => nextDispatchBatch(queue, now, 100).dispatches.map(({ mailId }) => mailId)

test('a message is dispatched at its send time, and the queue wakes for it', () => {
  const queue = newQueue()
  expect(enqueue(queue, mailOf('later', T0, sentAt(T0 + 10 * DAY, T0)), T0)).toBe(true)
  expect(enqueue(queue, mailOf('later', T0, sentAt(T0 + 10 * DAY, T0)), T0)).toBe(false)
  expect(nextWakeAt(queue, T0)).toBe(T0 + 10 * DAY)
  expect(sentIds(queue, T0 + 10 * DAY - 1)).toEqual([])
  expect(sentIds(queue, T0 + 10 * DAY)).toEqual(['later'])
})

test('before its send time it is in no lane, and the mail of others does not share its slots with it', () => {
  const queue = newQueue()
  for (let n = 0; n < 50; n++) enqueue(queue, mailOf(`later${n}`, T0, { account: 2, ...sentAt(T0 + DAY, T0) }), T0)
  expect([queue.lanes.size, queue.streams.size, queue.waitingByAccount.size]).toEqual([0, 0, 0])
  // While another account waits, an account gets three quarters of the slots.
  for (let n = 0; n < 50; n++)
    enqueue(queue, mailOf(`now${n}`, T0, { domain: `d${n}.example`, site: `d${n}.example`, mxSet: `mx${n}` }), T0)
  queue.hostConcurrency.clear()
  for (let n = 0; n < 50; n++) queue.hostConcurrency.set(`slots|hosts|mx${n}`, 10)
  expect(nextDispatchBatch(queue, T0, 100).dispatches.every(({ account }) => account === 1)).toBe(true)
})

test('its lifetime begins at its send time, and mail of its lane that was accepted later expires in order', () => {
  const queue = newQueue()
  enqueue(queue, mailOf('later', T0, sentAt(T0 + 2 * DAY, T0)), T0)
  enqueue(queue, mailOf('first', T0), T0)
  const { events } = runUntil(queue, T0, T0 + 20 * DAY, () => refusal('greylist'))
  const ends = events.flatMap((event) => (event.kind === 'mail.ended' ? [[event.mailId, event.at - T0] as const] : []))
  expect(ends.map(([id]) => id)).toEqual(['first', 'later'])
  const [first = 0, later = 0] = ends.map(([, at]) => at)
  expect(first).toBeLessThanOrEqual(GIVE_UP)
  expect(later).toBeGreaterThan(2 * DAY + GIVE_UP - DAY)
})

test('the end of a pause that deletes the mail of its lane leaves mail before its send time alone', () => {
  const queue = newQueue()
  const pause = { kind: 'pause', account: 1, domain: null, until: null, after15Days: 'delete' } as const
  enqueue(queue, mailOf('held', T0), T0)
  enqueue(queue, mailOf('later', T0, sentAt(T0 + 16 * DAY, T0)), T0)
  applyCommand(queue, pause, T0)
  const { events } = nextDispatchBatch(queue, T0 + 15 * DAY, 10)
  expect(events.filter(({ kind }) => kind === 'mail.ended')).toMatchObject([{ mailId: 'held', end: 'deleted' }])
  expect(sentIds(queue, T0 + 16 * DAY)).toEqual(['later'])
})

test('a deletion counts the time of acceptance, not the send time', () => {
  const queue = newQueue()
  enqueue(queue, mailOf('later', T0, sentAt(T0 + DAY, T0)), T0)
  const of = (from: number, until: number) => applyCommand(queue, { kind: 'delete', account: 1, domain: null, from, until }, T0 + HOUR)
  expect(of(T0 + 1, T0 + 2 * DAY)).toEqual([])
  expect(of(T0, T0 + 1)).toMatchObject([{ kind: 'mail.ended', mailId: 'later', end: 'deleted', attempts: 0 }])
  expect(sentIds(queue, T0 + 2 * DAY)).toEqual([])
  expect(nextWakeAt(queue, T0 + 2 * DAY)).toBeNull()
})

test('a message that another node has taken, or that is gone from the store, is forgotten; it can come back', () => {
  const queue = newQueue()
  const message = mailOf('later', T0, sentAt(T0 + DAY, T0))
  enqueue(queue, message, T0)
  expect(releaseGroups(queue, new Set([laneGroupOf('big')]), T0)).toEqual([])
  expect(queue.scheduled.size).toBe(1)
  releaseGroups(queue, new Set(), T0)
  expect(queue.scheduled.size).toBe(0)
  enqueue(queue, message, T0)
  expect(withdrawMessage(queue, 'later', T0)).toEqual([])
  enqueue(queue, message, T0)
  expect(sentIds(queue, T0 + DAY)).toEqual(['later'])
})

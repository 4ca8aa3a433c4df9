/** learnt-pause.test - a key learns how long a provider refuses: minutes or hours */
import { expect, test } from 'vitest'
import { createQueue, enqueue } from '../../../src/queue/queue.ts'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import type { AttemptResult } from '../../../src/queue/message.ts'
import { DAY, HOUR, mailOf, MINUTE, refusal, runUntil, T0, transitionsOf } from '../play.ts'

/** A provider that accepts `count` messages and then refuses for a time, again and again. */
function provider(count: number, holdMs: number): (now: number) => AttemptResult {
  let [accepted, until] = [0, 0]
  return (now) => {
    if (now < until) return refusal('ip-rate')
    if (accepted >= count) {
      accepted = 0
      until = now + holdMs
      return refusal('ip-rate')
    }
    accepted += 1
    return { kind: 'accepted' }
  }
}

function run(count: number, holdMs: number, mails: number) {
  const queue = createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': ['192.0.2.1'] } })
  for (let i = 0; i < mails; i++) enqueue(queue, mailOf(`m${i}`, T0), T0)
  const respond = provider(count, holdMs)
  const { events } = runUntil(queue, T0, T0 + 2 * DAY, (_, now) => respond(now))
  return { queue, pauses: transitionsOf(events, 'ip-rate').filter(({ to }) => to === 'paused') }
}

test('where a provider refuses for minutes, no pause grows to an hour', () => {
  const { queue, pauses } = run(1_000, 4 * MINUTE, 5_000)
  const lengths = pauses.map(({ at, nextSendingAt }) => (nextSendingAt ?? Infinity) - at)
  expect(pauses.length).toBeGreaterThan(2)
  expect(Math.max(...lengths)).toBeLessThan(15 * MINUTE)
  expect(queue.entries.size).toBe(0)
})

test('where it refuses for an hour, refused probes lengthen the pause up to an hour', () => {
  const { pauses } = run(500, 3 * HOUR, 3_000)
  const minutes = pauses.slice(0, 5).map(({ at, nextSendingAt }) => ((nextSendingAt ?? Infinity) - at) / MINUTE)
  const bounds = [6.25, 12.5, 25, 50, 60].map((each) => [each * 0.8, each * 1.2] as const)
  for (const [i, [low, high]] of bounds.entries()) {
    expect(minutes[i]).toBeGreaterThanOrEqual(low)
    expect(minutes[i]).toBeLessThanOrEqual(high)
  }
})

/** The pauses where a provider refuses the first 20 messages, and later so many in a row of every hundred. */
function pausesWithRows(inARow: number): number {
  const queue = createQueue({ policy: BACKOFF_POLICIES.default, seed: 5, pools: { '*': ['192.0.2.1'] } })
  for (let i = 0; i < 3000; i++) enqueue(queue, mailOf(`m${i}`, T0), T0)
  let count = 0
  const { events } = runUntil(queue, T0, T0 + DAY, () => {
    count += 1
    const isRefused = count <= 20 || (count > 1000 && count % 100 < inARow)
    return isRefused ? refusal('ip-rate') : { kind: 'accepted' }
  })
  return transitionsOf(events, 'ip-rate').filter(({ to }) => to === 'paused').length
}

test('after a pause, two refusals in a row pause the key again at once; one alone does not', () => {
  const pauses = [0, 1, 2].map(pausesWithRows)
  expect(pauses[0]).toBeGreaterThan(0)
  expect(pauses[1]).toBe(pauses[0])
  expect(pauses[2]).toBeGreaterThan(pauses[0] ?? 0)
})

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

/** The refused connections of each outage, where a server is up for `upMs` and then down for the given times. */
function refusedByOutage(upMs: number, downMs: readonly number[], seed: number): number[] {
  const queue = createQueue({ policy: BACKOFF_POLICIES.default, seed, pools: { '*': ['192.0.2.1'] } })
  const outages = downMs.map((length, n) => {
    const from = T0 + downMs.slice(0, n).reduce((sum, each) => sum + each, 0) + (n + 1) * upMs
    return { from, until: from + length, refused: 0 }
  })
  const end = (outages.at(-1)?.until ?? T0) + HOUR
  for (let at = T0, i = 0; at < end; at += MINUTE / 2) {
    enqueue(queue, mailOf(`m${(i += 1)}`, at), at)
    runUntil(queue, at, at + MINUTE / 2, (_, now) => {
      const outage = outages.find(({ from, until }) => from <= now && now < until)
      if (outage === undefined) return { kind: 'accepted' }
      outage.refused += 1
      return refusal('connect')
    })
  }
  expect(queue.entries.size).toBeLessThan(5)
  return outages.map(({ refused }) => refused)
}

test('a server that goes down again soon is first asked after the time that the last outage took', () => {
  for (const seed of [1, 2, 3]) {
    const [first = 0, ...later] = refusedByOutage(20 * MINUTE, Array<number>(8).fill(10 * MINUTE), seed)
    expect(first).toBeGreaterThan(3)
    expect(later.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(2 * later.length)
  }
})

test('the length of an outage is forgotten after four times as long: the next may be a restart', () => {
  const [, second = 0] = refusedByOutage(3 * HOUR, [10 * MINUTE, 10 * MINUTE], 1)
  expect(second).toBeGreaterThan(3)
})

test('a long outage is probed after a growing part of it, and a refused probe costs one connection', () => {
  const [refused = 0] = refusedByOutage(5 * MINUTE, [6 * HOUR], 1)
  expect(refused).toBeGreaterThan(15)
  expect(refused).toBeLessThan(50)
})

test('where a provider always refuses for as long, few probes are refused and little time is lost', () => {
  const { queue, pauses } = run(500, 20 * MINUTE, 5_000)
  const lengths = pauses.slice(3).map(({ at, nextSendingAt }) => ((nextSendingAt ?? Infinity) - at) / MINUTE)
  expect(queue.entries.size).toBe(0)
  expect(pauses.length).toBeLessThan(2 * 10 + 3)
  expect(lengths.toSorted((a, b) => a - b)[Math.floor(lengths.length / 2)]).toBeGreaterThan(12)
  expect(Math.max(...lengths)).toBeLessThan(45)
})

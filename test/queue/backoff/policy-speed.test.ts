/** policy-speed.test - a faster policy is the same policy in less time */
import { expect, test } from 'vitest'
import { BACKOFF_POLICIES } from '../../../src/queue/backoff/policy.ts'
import { RETRY_SCHEDULES } from '../../../src/queue/schedule/retry.ts'
import { speedUpPolicy, speedUpRetrySchedule } from '../../../src/queue/backoff/policy-speed.ts'

test('durations are divided; counts, shares and midnights stay', () => {
  const given = BACKOFF_POLICIES.default
  const fast = speedUpPolicy(given, 60)
  const row = fast.classes['ip-reputation']
  expect(row.baseMs).toBe(given.classes['ip-reputation'].baseMs / 60)
  expect(row.measures[0]).toMatchObject({ threshold: 5, ratio: 0.1, floor: 20, windowMs: 60_000 })
  expect(fast.classes['domain-rate'].throttle.perMinute).toBe(600)
  expect(fast.classes['domain-quota-day'].pauseLength).toBe('midnight')
  expect(fast.rungs[0]).toEqual({ afterMs: 2_000, clean: 50 })
  expect([fast.ladder, fast.jitter, fast.probeBatch]).toEqual([given.ladder, given.jitter, given.probeBatch])
  expect(speedUpPolicy(given, 1)).toEqual(given)
})

test('retry delays are divided', () => {
  expect(speedUpRetrySchedule(RETRY_SCHEDULES.default, 60)).toMatchObject({
    delaysMs: [1_000, 5_000, 15_000, 30_000, 60_000, 120_000, 240_000],
    blockedDelayMs: 5_000,
  })
})

/** policy-speed.test - a policy whose hours pass faster is the same policy. */
import { expect, test } from 'vitest'
import { POLICIES } from '../../../src/queue/backoff/policy.ts'
import { RETRY } from '../../../src/queue/schedule/retry.ts'
import { hastenPolicy, hastenRetry } from '../../../src/queue/backoff/policy-speed.ts'

test('durations are divided, counts and shares stand, midnights stay', () => {
  const given = POLICIES.default
  const fast = hastenPolicy(given, 60)
  const row = fast.classes['ip-reputation']
  expect(row.baseMs).toBe(given.classes['ip-reputation'].baseMs / 60)
  expect(row.measures[0]).toMatchObject({ threshold: 5, ratio: 0.1, floor: 20, windowMs: 60_000 })
  expect(fast.classes['domain-rate'].throttle.perMinute).toBe(600)
  expect(fast.classes['domain-quota-day'].pause).toBe('midnight')
  expect(fast.rungs[0]).toEqual({ afterMs: 2_000, clean: 50 })
  expect([fast.ladder, fast.jitter, fast.batch]).toEqual([given.ladder, given.jitter, given.batch])
  expect(hastenPolicy(given, 1)).toEqual(given)
})

test('the rests of a mail are divided', () => {
  expect(hastenRetry(RETRY.default, 60)).toMatchObject({ rungs: [1_000, 5_000, 15_000, 30_000, 60_000, 120_000, 240_000], heldMs: 5_000 })
})

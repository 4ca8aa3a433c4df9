/**
 * policy-speed - a backoff policy and a retry schedule that run faster than real time
 *
 * For simulated providers over SMTP, whose hour takes seconds. Midnights stay where they are.
 *
 *     speedUpPolicy({ baseMs: 7_200_000, … }, 600)   → { baseMs: 12_000, … }
 *
 * Pure. See also: queue/backoff/policy, queue/schedule/retry, simulator/smtp/provider-network.
 */
import type { BackoffPolicy } from './policy.ts'
import type { DeliveryRetrySchedule } from '../schedule/retry.ts'

/**
 * The policy at `speed` times its speed. Durations (members that end in `Ms`) are divided, to no less than a millisecond; rates
 * (`perMinute`) are multiplied. Learning is switched off at any speed but 1, because learnt rates count real minutes and hours.
 */
export const speedUpPolicy = (policy: BackoffPolicy, speed: number): BackoffPolicy => ({
  ...scaleDurations(policy, speed),
  adapts: policy.adapts && speed === 1,
})

/** The retry schedule at `speed` times its speed. */
export function speedUpRetrySchedule(schedule: DeliveryRetrySchedule, speed: number): DeliveryRetrySchedule {
  return { ...scaleDurations(schedule, speed), delaysMs: schedule.delaysMs.map((delayMs) => divideDuration(delayMs, speed)) }
}

const divideDuration = (milliseconds: number, speed: number): number => Math.max(1, Math.round(milliseconds / speed))

function scaleNumber(name: string, value: number, speed: number): number {
  if (name.endsWith('Ms')) return value > 0 ? divideDuration(value, speed) : value
  return name === 'perMinute' ? value * speed : value
}

function scaleDurations<T>(value: T, speed: number): T {
  if (Array.isArray(value)) return value.map((each) => scaleDurations(each, speed)) as T // the same shape, element by element
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, each]) => [
    name,
    typeof each === 'number' ? scaleNumber(name, each, speed) : scaleDurations(each, speed),
  ])
  return Object.fromEntries(entries) as T // the same keys
}

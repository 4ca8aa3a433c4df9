/**
 * policy-speed - a policy and a ladder whose hours pass faster
 *
 * For laboratories: providers whose hour is a few seconds want a queue whose hour is. Calendars are not touched: a midnight stays where it is.
 *
 *     hastened({ baseMs: 7_200_000 }, 600)   → { baseMs: 12_000 }
 *
 * Pure. See also: queue/backoff/policy, queue/schedule/retry, simulator/smtp/provider-network.
 */
import type { BackoffPolicy } from './policy.ts'
import type { DeliveryRetrySchedule } from '../schedule/retry.ts'

/**
 * A rate that a key learns counts real minutes and hours: at another speed there is none to learn, and pauses alone hold back.
 * Every duration (what ends in Ms) is divided by `speed`, never less than a millisecond; what is told per minute is multiplied.
 */
export const speedUpPolicy = (policy: BackoffPolicy, speed: number): BackoffPolicy => ({
  ...scaleDurations(policy, speed),
  adapts: policy.adapts && speed === 1,
})

/** The same for the rests of a mail. */
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

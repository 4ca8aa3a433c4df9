/**
 * policy-speed - a policy and a ladder whose hours pass faster
 *
 * For laboratories: providers whose hour is a few seconds want a queue whose hour is. Calendars are not touched: a midnight stays where it is.
 *
 *     hastened({ baseMs: 7_200_000 }, 600)   → { baseMs: 12_000 }
 *
 * Pure. See also: queue/backoff/policy, queue/schedule/retry, simulator/smtp/provider-network.
 */
import type { Policy } from './policy.ts'
import type { RetryLadder } from '../schedule/retry.ts'

/**
 * A rate that a key learns counts real minutes and hours: at another speed there is none to learn, and pauses alone hold back.
 * Every duration (what ends in Ms) is divided by `speed`, never less than a millisecond; what is told per minute is multiplied.
 */
export const hastenPolicy = (policy: Policy, speed: number): Policy => ({
  ...hastened(policy, speed),
  adapts: policy.adapts && speed === 1,
})

/** The same for the rests of a mail. */
export function hastenRetry(ladder: RetryLadder, speed: number): RetryLadder {
  return { ...hastened(ladder, speed), rungs: ladder.rungs.map((rung) => faster(rung, speed)) }
}

const faster = (milliseconds: number, speed: number): number => Math.max(1, Math.round(milliseconds / speed))

function inTempo(name: string, value: number, speed: number): number {
  if (name.endsWith('Ms')) return value > 0 ? faster(value, speed) : value
  return name === 'perMinute' ? value * speed : value
}

function hastened<T>(value: T, speed: number): T {
  if (Array.isArray(value)) return value.map((each) => hastened(each, speed)) as T // the same shape, element by element
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, each]) => [
    name,
    typeof each === 'number' ? inTempo(name, each, speed) : hastened(each, speed),
  ])
  return Object.fromEntries(entries) as T // the same keys
}

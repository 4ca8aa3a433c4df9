/**
 * send-budget - how many messages a backoff key lets through now, and when it opens
 *
 * The smallest of what its episodes, its learnt and set rates, its connections, its warm-up and its slots allow.
 * Changes nothing but the fill level of the token bucket.
 *
 * See also: queue/backoff/key-state, queue/backoff/rate-limiter, queue/backoff/concurrency-limiter, queue/shaping/warm-up.
 */
import type { KeyState, QueueState } from '../queue-state.ts'
import { slotsLeft } from '../schedule/fair-share.ts'
import { nextTokenAt, refillBucket } from './rate-limiter.ts'
import { shapedConnectionsOf, shapedRateOf } from '../shaping/limits-in-force.ts'
import { startOfNextUtcDay, startOfUtcDay, warmUpAllowance } from '../shaping/warm-up.ts'

/** The lower of two limits; null: no limit. */
export const minLimit = (a: number | null, b: number | null): number | null => (a === null ? b : b === null ? a : Math.min(a, b))

/** Messages a minute that a key allows; null: no limit. */
export const rateLimitOf = (queue: QueueState, keyState: KeyState): number | null =>
  minLimit(
    minLimit(minLimit(keyState.backoffLimits.perMinute, keyState.learnedRate?.perMinute ?? null), keyState.operatorRate),
    shapedRateOf(queue, keyState.key),
  )

/** What is left of today's allowance of an IP that warms up; null: no limit. */
function warmUpLeftToday({ warmUp }: KeyState, now: number): number | null {
  if (warmUp === null) return null
  const allowance = warmUpAllowance(warmUp.startedAt, now)
  if (allowance === null) return null
  return allowance - (warmUp.day === startOfUtcDay(now) ? warmUp.sent : 0)
}

/** How many connections a key allows, by its episodes, by what it has learnt, by the setting and by the shaping of its site; null: no limit. */
function connectionLimitOf(queue: QueueState, { key, backoffLimits, learnedConcurrency }: KeyState): number | null {
  const learned = learnedConcurrency === null ? null : Math.floor(learnedConcurrency.most)
  const set = minLimit(key?.kind === 'connection' ? queue.connectionsPerSite : null, shapedConnectionsOf(queue, key))
  return minLimit(minLimit(backoffLimits.connections, learned), set)
}

/** How many messages a key lets through at this moment. Refills its bucket. */
export function sendBudgetOf(queue: QueueState, keyState: KeyState, now: number): number {
  const { backoffLimits: limits, id, key } = keyState
  if (limits.closedUntil !== false || keyState.manualPause !== null) return 0
  const connectionLimit = connectionLimitOf(queue, keyState)
  const connections = connectionLimit === null ? Infinity : connectionLimit - (queue.inFlightByKey.get(id) ?? 0)
  const probes = limits.probesLeft === null ? Infinity : Math.min(1, limits.probesLeft)
  const rate = rateLimitOf(queue, keyState)
  if (rate !== null) keyState.bucket = refillBucket(keyState.bucket, rate, now)
  const tokens = rate === null ? Infinity : Math.floor(keyState.bucket.tokens)
  const slots = key?.kind === 'slots' ? slotsLeft(queue, id, key.holder) : Infinity
  return Math.max(0, Math.min(slots, connections, probes, tokens, warmUpLeftToday(keyState, now) ?? Infinity))
}

/** When a closed key may open by time alone; null: only a result or an operator opens it. */
export function opensAt(queue: QueueState, keyState: KeyState, now: number): number | null {
  const { backoffLimits: limits } = keyState
  if (limits.closedUntil === 'operator') return null
  const candidates = [limits.closedUntil === false ? now : limits.closedUntil, keyState.manualPause?.until ?? now]
  if ((warmUpLeftToday(keyState, now) ?? 1) <= 0) candidates.push(startOfNextUtcDay(now))
  const rate = rateLimitOf(queue, keyState)
  if (rate !== null) candidates.push(nextTokenAt(refillBucket(keyState.bucket, rate, now), rate))
  const latest = Math.max(...candidates)
  return latest > now ? latest : null
}

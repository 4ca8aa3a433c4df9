/**
 * saving - a whole queue as text, and back: it is plain data, and carrying on from a copy changes nothing
 *
 * JSON with two marks: a Map is `{"map": [[key, value], …]}`, a Set `{"set": […]}`, both in their order, which is part of what they mean.
 * Infinity never stands in a queue. The policy and the ladder are code and are not saved.
 */
import { applyAttemptResult } from '../../src/queue/schedule/attempt-result.ts'
import type { QueueEvent } from '../../src/queue/message.ts'
import type { BackoffPolicy } from '../../src/queue/backoff/policy.ts'
import { RETRY_SCHEDULES } from '../../src/queue/schedule/retry.ts'
import type { QueueState } from '../../src/queue/queue-state.ts'

function mark(_key: string, value: unknown): unknown {
  if (value instanceof Map) return { map: [...value] }
  return value instanceof Set ? { set: [...value] } : value
}

function unmark(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if ('map' in value && Array.isArray(value.map)) return new Map(value.map)
  return 'set' in value && Array.isArray(value.set) ? new Set(value.set) : value
}

/** The whole of a queue. */
export function saveQueue(queue: QueueState): string {
  const { policy: _policy, retrySchedule: _ladder, ...rest } = queue
  return JSON.stringify(rest, mark)
}

/** The queue that was saved. */
export function loadQueue(text: string, policy: BackoffPolicy): QueueState {
  // What saveQueue wrote, and nothing else.
  return { ...(JSON.parse(text, unmark) as Omit<QueueState, 'policy' | 'retry'>), policy, retrySchedule: RETRY_SCHEDULES.default }
}

/** After a crash nobody will answer what was in flight: it waits again. */
export function recallAll(queue: QueueState, now: number): QueueEvent[] {
  return [...queue.inFlightAttempts.keys()].flatMap((number) => applyAttemptResult(queue, number, { kind: 'recalled' }, now))
}

/**
 * saving - a whole queue as text, and back: a queue is plain data, and continuing from a copy changes nothing
 *
 * JSON with two additions: a Map is `{"map": [[key, value], …]}`, a Set `{"set": […]}`, both in their order, which matters.
 * A queue never contains Infinity. The policy and the retry schedule are code and are not saved.
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

/** The text of a queue. */
export function saveQueue(queue: QueueState): string {
  const { policy: _policy, retrySchedule: _retrySchedule, ...rest } = queue
  return JSON.stringify(rest, mark)
}

/** The queue of a text. */
export function loadQueue(text: string, policy: BackoffPolicy): QueueState {
  // Checked: only saveQueue writes the text.
  return { ...(JSON.parse(text, unmark) as Omit<QueueState, 'policy' | 'retrySchedule'>), policy, retrySchedule: RETRY_SCHEDULES.default }
}

/** Recalls all dispatches in flight: after a crash nobody gives their results. */
export function recallAll(queue: QueueState, now: number): QueueEvent[] {
  return [...queue.inFlightAttempts.keys()].flatMap((number) => applyAttemptResult(queue, number, { kind: 'recalled' }, now))
}

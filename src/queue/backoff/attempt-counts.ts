/**
 * attempt-counts - counts attempts and accepted messages in the windows that the classes of a key measure
 *
 * Mutates the state of the key. See also: queue/backoff/sliding-count, queue/backoff/trip-detection, queue/clean-attempts.
 */
import type { KeyState, QueueState } from '../queue-state.ts'
import { policyOf } from '../shaping/limits-in-force.ts'
import { CLASS_KEY_KINDS, type TripMeasure } from './backoff-classes.ts'
import type { BackoffKey } from './backoff-key.ts'
import { addToCount, emptySlidingCount, type SlidingCount } from './sliding-count.ts'

const DAY_MS = 86_400_000

/** The windows of the classes that use a key of this kind. */
const windowsOf = (queue: QueueState, key: BackoffKey | null): ReadonlySet<number> =>
  new Set(
    Object.values(policyOf(queue, key).classes).flatMap((row) =>
      row.key !== null && row.key !== 'network' && CLASS_KEY_KINDS[row.key] === key?.kind
        ? row.measures.map(({ windowMs }) => windowMs)
        : [],
    ),
  )

/** Counts one attempt in every window of a key. */
export function countAttempt(queue: QueueState, keyState: KeyState, isAccepted: boolean, now: number): void {
  if (keyState.attempts.length === 0) {
    keyState.attempts = [...windowsOf(queue, keyState.key)].map(emptySlidingCount)
    if (keyState.key?.kind === 'account') keyState.delivered = [emptySlidingCount(DAY_MS)]
  }
  keyState.attempts = keyState.attempts.map((count) => addToCount(count, now))
  if (!isAccepted) return
  keyState.delivered = keyState.delivered.map((count) => addToCount(count, now))
  keyState.accepted = addToCount(keyState.accepted, now)
}

/** What a key has counted so far of what a measure takes its share of. */
export const countFor = ({ attempts, delivered }: KeyState, { denominator, windowMs }: TripMeasure): SlidingCount =>
  (denominator === 'attempts' ? attempts : delivered).find((count) => count.windowMs === windowMs) ?? emptySlidingCount(windowMs)
